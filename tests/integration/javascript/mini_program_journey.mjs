import assert from "node:assert/strict";
import "./wx_shim.cjs";
import clients from "./mini-program.cjs";
import { journey } from "./journey.mjs";

function make(baseUrl, options) {
  const client = clients.createClient({ baseUrl, timeout: 1000, ...options });
  return {
    ask: client.request,
    login: client.login,
    logout: client.logout,
    tokens: () => globalThis.wx.getStorageSync("menshen") || null,
    signedOut: () => client.signedOut,
  };
}

const { relay, finish } = await journey(make, "13800138011");

// Registering logs in, and a session is one of a mini-program.
const client = clients.createClient({ baseUrl: relay.url });
await client.register("13800138012", "correct horse", { user_name: "小明" });
const [session] = (await client.request("GET", "/api/user/sessions")).data.sessions;
assert.equal(session.device.type, "mini_program");
// What was stored goes on after a restart of the app.
const later = clients.createClient({ baseUrl: relay.url });
assert.equal((await later.request("GET", "/api/user/user_info")).data.user_name, "小明");
finish();
