// Keeps a user signed in within a WeChat mini-program, over wx.request. Copy this file into utils/:
//
//   const { createClient } = require("./utils/mini-program.js");
//   const client = createClient({ baseUrl: "https://accounts.example.com", onSignedOut: ({ reason, by }) => ... });
//   await client.login("13800138000", "correct horse");
//   const { data } = await client.request("GET", "/api/user/user_info");
//
// request() gives the whole answer, or throws an Error: with code, reason, msg and data where the service refused, and
// with errMsg where there was no answer.

const MAX_WAIT_SECONDS = 5;
const RENEW_BEFORE_SECONDS = 60;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function createClient({
  baseUrl,
  storageKey = "menshen",
  device = { type: "mini_program" },
  timeout = 10000,
  onSignedOut = () => {},
  sleep = pause,
  now = Date.now,
}) {
  let renewing = null;
  const client = { signedOut: null, request, login, register, logout };

  const load = () => wx.getStorageSync(storageKey) || null;
  const save = (tokens) => (tokens ? wx.setStorageSync(storageKey, tokens) : wx.removeStorageSync(storageKey));
  const isStill = (before) => (load() || {}).session === before.session;

  function send(method, path, body, token) {
    return new Promise((done, failed) => {
      wx.request({
        url: baseUrl + path,
        method,
        data: body,
        timeout,
        header: { "Content-Type": "application/json", ...(token ? { token } : {}) },
        success: done,
        fail: ({ errMsg }) => failed(Object.assign(new Error(errMsg), { errMsg })),
      });
    });
  }

  // One call. What is asked again: a 503 that says when, once; and an answer that was lost, if *isSafe*.
  async function call(method, path, body, token, isSafe) {
    let answer;
    try {
      answer = await send(method, path, body, token);
    } catch (lost) {
      if (!isSafe || /timeout|abort/.test(lost.errMsg)) throw lost;
      answer = await send(method, path, body, token);
    }
    const seconds = retryAfter(answer);
    if (codeOf(answer) === 503 && Object(answer.data).reason && seconds >= 0 && seconds <= MAX_WAIT_SECONDS) {
      await sleep(seconds * 1000);
      answer = await send(method, path, body, token);
    }
    if (codeOf(answer) === 200) return answer.data;
    const { code, reason, msg, data } = Object(answer.data);
    throw Object.assign(new Error(msg || `status ${answer.statusCode}`), { code, reason, msg, data });
  }

  function take({ token, data }) {
    const lasts = data.expires_in;
    const due = now() + (lasts - Math.min(RENEW_BEFORE_SECONDS, lasts / 10)) * 1000;
    client.signedOut = null;
    save({ access: token, refresh: data.refresh_token, session: data.session_id, due });
  }

  // What comes after *worn*: whoever is first asks, all others wait for the same answer.
  function renewed(worn) {
    const kept = load();
    if (kept === null || kept.access !== worn.access) return Promise.resolve();
    if (renewing === null) {
      renewing = call("POST", "/api/user/token/refresh", { refresh_token: kept.refresh }, null, true)
        .then(
          (answer) => { if (isStill(kept)) take(answer); },
          (refusal) => { end(kept, refusal); throw refusal; },
        )
        .finally(() => { renewing = null; });
    }
    return renewing;
  }

  function end(before, { code, reason, msg, data }) {
    if (code !== 401 || !reason || reason === "token_missing" || !isStill(before)) return;
    save(null);
    const { ended_at = null, by = null } = Object(data);
    client.signedOut = { reason, msg, endedAt: ended_at, by };
    onSignedOut(client.signedOut);
  }

  async function request(method, path, body) {
    const ask = (kept) => call(method, path, body, kept && kept.access, method === "GET");
    let kept = load();
    if (kept !== null && now() >= kept.due) {
      // Without an answer to the renewal, the old token does while it is good.
      await renewed(kept).catch((failure) => { if (load() === null) throw failure; });
      kept = load();
    }
    try {
      return await ask(kept);
    } catch (refusal) {
      if (kept === null) throw refusal;
      if (refusal.reason !== "token_expired") {
        end(kept, refusal);
        throw refusal;
      }
      await renewed(kept);
      if (load() === null) throw refusal;
    }
    return ask(load());
  }

  async function login(phone, password, more = {}) {
    const answer = await call("POST", "/api/user/login", { phone, password, device, ...more });
    take(answer);
    return answer;
  }

  async function register(phone, password, more = {}) {
    const answer = await call("POST", "/api/user/register", { phone, password, device, ...more });
    take(answer);
    return answer;
  }

  async function logout() {
    await request("POST", "/api/user/logout");
    save(null);
  }

  return client;
}

// The body says it, where the service is set up to answer 200 in any case.
function codeOf({ statusCode, data }) {
  return data && typeof data === "object" ? data.code : statusCode === 200 ? undefined : statusCode;
}

function retryAfter({ header }) {
  const name = Object.keys(header || {}).find((each) => each.toLowerCase() === "retry-after");
  return name === undefined ? NaN : Number(header[name]);
}

module.exports = { createClient };
