// As much of wx as its documentation says and docs/clients/mini-program.js uses, over node's http.
const http = require("node:http");

const kept = new Map();

globalThis.wx = {
  getStorageSync: (key) => (kept.has(key) ? JSON.parse(kept.get(key)) : ""),
  setStorageSync: (key, value) => kept.set(key, JSON.stringify(value)),
  removeStorageSync: (key) => kept.delete(key),
  request({ url, method, data, header, timeout, success, fail }) {
    const body = data === undefined ? "" : JSON.stringify(data);
    const headers = { ...header, "Content-Length": Buffer.byteLength(body) };
    const request = http.request(url, { method, headers, agent: false }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        let found = text;
        try { found = JSON.parse(text); } catch { /* as it is */ }
        // Devices differ in the spelling of the names of headers.
        const spelled = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name.replace(/^r/, "R"), value]));
        success({ statusCode: answer.statusCode, data: found, header: spelled });
      });
    });
    request.setTimeout(timeout, () => request.destroy(new Error("request:fail timeout")));
    request.on("error", (error) => fail({ errMsg: error.message }));
    request.end(body);
  },
};
