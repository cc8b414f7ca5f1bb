// As much of axios as its documentation says and docs/clients/axios.js uses: instances, config, interceptors, errors.
const LOWER = ([name, value]) => [name.toLowerCase(), value];

async function send(config) {
  const controller = new AbortController();
  const timer = config.timeout ? setTimeout(() => controller.abort(), config.timeout) : undefined;
  const isText = typeof config.data === "string" || config.data === undefined;
  config.data = isText ? config.data : JSON.stringify(config.data);
  const headers = { ...config.headers, ...(config.data === undefined ? {} : { "Content-Type": "application/json" }) };
  const url = /^https?:/.test(config.url) ? config.url : config.baseURL + config.url;
  try {
    const answer = await fetch(url, { method: config.method, headers, body: config.data, signal: controller.signal });
    const text = await answer.text();
    let data = text;
    try { data = JSON.parse(text); } catch { /* as it is */ }
    const response = { status: answer.status, data, headers: Object.fromEntries([...answer.headers].map(LOWER)), config };
    if (answer.ok) return response;
    throw Object.assign(new Error(`Request failed with status code ${answer.status}`), { isAxiosError: true, config, response });
  } catch (error) {
    if (error.isAxiosError) throw error;
    const code = error.name === "AbortError" ? "ECONNABORTED" : "ERR_NETWORK";
    throw Object.assign(new Error("Network Error"), { isAxiosError: true, code, config });
  } finally {
    clearTimeout(timer);
  }
}

function create(defaults) {
  const before = [];
  const after = [];
  const request = (given) => {
    const headers = { ...defaults.headers, ...given.headers };
    const config = { ...defaults, ...given, headers, method: (given.method ?? "get").toLowerCase() };
    let chain = Promise.resolve(config);
    for (const [ok, bad] of [...before].reverse()) chain = chain.then(ok, bad);
    chain = chain.then(send);
    for (const [ok, bad] of after) chain = chain.then(ok, bad);
    return chain;
  };
  return {
    request,
    get: (url, config) => request({ ...config, method: "get", url }),
    delete: (url, config) => request({ ...config, method: "delete", url }),
    post: (url, data, config) => request({ ...config, method: "post", url, data }),
    interceptors: {
      request: { use: (ok, bad) => before.push([ok, bad]) },
      response: { use: (ok, bad) => after.push([ok, bad]) },
    },
  };
}

export default { create };
