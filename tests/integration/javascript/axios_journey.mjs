import assert from "node:assert/strict";
import { inLocalStorage, inMemory, keepSignedIn } from "./axios.mjs";
import { journey, USER_INFO } from "./journey.mjs";
import { relayTo } from "./relay.mjs";

// AXIOS is the path of the real one, for whoever has it.
const axios = (await import(process.env.AXIOS ?? "./axios_shim.mjs")).default;

function make(baseURL, options, storage = inMemory()) {
  const http = axios.create({ baseURL, timeout: 1000 });
  const session = keepSignedIn(http, { storage, ...options });
  return {
    http,
    ask: async (method, url, data) => (await http.request({ method, url, data })).data,
    login: (phone, password) => http.post("/api/user/login", { phone, password }),
    logout: () => http.post("/api/user/logout"),
    tokens: () => session.tokens,
    signedOut: () => session.signedOut,
  };
}

const { relay, finish } = await journey(make, "13800138010");

// No token goes to another address.
const elsewhere = await relayTo(Number(process.argv[2]));
const client = make(relay.url, {});
await client.login("13800138010", "correct horse");
for (const url of [elsewhere.url + USER_INFO, elsewhere.url.toUpperCase().replace("HTTP", "Http") + USER_INFO]) {
  await assert.rejects(client.http.get(url));
}
assert.ok(elsewhere.seen.length > 0);
assert.ok(elsewhere.seen.every(({ token }) => token === ""));
elsewhere.close();

// Two tabs have one storage: what one of them renews, the other uses.
const items = new Map();
globalThis.localStorage = {
  getItem: (name) => items.get(name) ?? null,
  setItem: (name, value) => items.set(name, value),
  removeItem: (name) => items.delete(name),
};
const one = make(relay.url, {}, inLocalStorage("menshen"));
const two = make(relay.url, {}, inLocalStorage("menshen"));
await one.login("13800138010", "correct horse");
const { access } = one.tokens();
relay.clear();
relay.instead(USER_INFO, { times: 2, status: 401, reason: "token_expired", applies: (token) => token === access });
await one.ask("GET", USER_INFO);
await two.ask("GET", USER_INFO);
assert.equal(relay.count("/api/user/token/refresh"), 1);
assert.deepEqual(one.tokens(), two.tokens());
// Closing the account ends it for both.
await one.ask("POST", "/api/user/close", { password: "correct horse" });
assert.equal(two.tokens(), null);
finish();
