// What both clients do, told in the same words; the last line printed is "done".
import assert from "node:assert/strict";
import { relayTo } from "./relay.mjs";

const USER_INFO = "/api/user/user_info";
const REFRESH = "/api/user/token/refresh";
const PASSWORD = "correct horse";
const WEEK = 7 * 24 * 60 * 60 * 1000;

// *make* gives {ask(method, path, body), login(phone, password), tokens(), signedOut()} for the options.
export async function journey(make, phone) {
  const relay = await relayTo(Number(process.argv[2]));
  const told = [];
  const slept = [];
  const clock = { now: 1_000_000 };
  const options = {
    onSignedOut: (why) => told.push(why),
    sleep: async (milliseconds) => { slept.push(milliseconds); },
    now: () => clock.now,
  };
  const client = make(relay.url, options);
  const plain = async (method, path, token, body) => {
    const headers = { "Content-Type": "application/json", token };
    return (await fetch(relay.url + path, { method, headers, body: JSON.stringify(body) })).json();
  };
  await plain("POST", "/api/user/register", "", { phone, password: PASSWORD });
  const fresh = async () => {
    await client.login(phone, PASSWORD);
    relay.clear();
    slept.length = told.length = 0;
    return client.tokens();
  };
  const me = async () => (await client.ask("GET", USER_INFO)).data.phone;
  const reasonOf = (promise) => promise.then(() => assert.fail("it was not refused"), (error) => error.refusal?.reason ?? error.reason);

  // The token is attached.
  let tokens = await fresh();
  assert.equal(await me(), phone);
  assert.equal(relay.seen[0].token, tokens.access);

  // However many ask, an expired token is renewed once.
  relay.instead(USER_INFO, { times: 32, status: 401, reason: "token_expired", applies: (token) => token === tokens.access });
  assert.deepEqual(await Promise.all(Array.from({ length: 32 }, me)), Array(32).fill(phone));
  assert.equal(relay.count(REFRESH), 1);
  assert.notEqual(client.tokens().access, tokens.access);
  assert.equal(client.tokens().session, tokens.session);

  // It is renewed once for a request, and not over and over.
  tokens = await fresh();
  relay.instead(USER_INFO, { times: 99, status: 401, reason: "token_expired" });
  assert.equal(await reasonOf(me()), "token_expired");
  assert.deepEqual([relay.count(USER_INFO), relay.count(REFRESH), told.length], [2, 1, 0]);

  // Shortly before its end it is renewed first, once.
  tokens = await fresh();
  clock.now += WEEK;
  await Promise.all(Array.from({ length: 8 }, me));
  assert.deepEqual([relay.seen[0].path, relay.count(REFRESH), relay.count(USER_INFO)], [REFRESH, 1, 8]);
  assert.ok(relay.seen.slice(1).every(({ token }) => token !== tokens.access));

  // Without an answer to that, the old token does.
  tokens = await fresh();
  clock.now += WEEK;
  relay.instead(REFRESH, { status: 503, reason: "busy" });
  assert.equal(await me(), phone);
  assert.equal(relay.seen[1].token, tokens.access);

  // A 503 that says when is asked again once; one that says nothing, or too long, is not.
  await fresh();
  relay.instead(USER_INFO, { status: 503, reason: "busy", headers: { "Retry-After": "2" } });
  assert.equal(await me(), phone);
  assert.deepEqual([slept, relay.count(USER_INFO)], [[2000], 2]);
  relay.instead(USER_INFO, { times: 2, status: 503, reason: "busy", headers: { "Retry-After": "1" } });
  assert.equal(await reasonOf(me()), "busy");
  assert.deepEqual([slept, relay.count(USER_INFO)], [[2000, 1000], 4]);
  for (const headers of [{}, { "Retry-After": "600" }]) {
    relay.instead(USER_INFO, { status: 503, reason: "busy", headers });
    assert.equal(await reasonOf(me()), "busy");
  }
  assert.deepEqual([slept.length, relay.count(USER_INFO)], [2, 6]);
  relay.instead(USER_INFO, { status: 503, headers: { "Retry-After": "1" }, text: "<html>" });
  assert.equal(await reasonOf(me()), undefined);
  assert.equal(slept.length, 2);

  // A lost answer is asked for again where that is safe: when reading, and at a renewal, which brings the same tokens.
  await fresh();
  relay.instead(USER_INFO, { status: 0 });
  assert.equal(await me(), phone);
  relay.instead(USER_INFO, { status: 401, reason: "token_expired" });
  relay.instead(REFRESH, { status: 0 });
  assert.equal(await me(), phone);
  assert.equal(relay.count(REFRESH), 2);
  assert.equal(relay.seen.filter(({ path }) => path === REFRESH)[0].body, relay.seen.filter(({ path }) => path === REFRESH)[1].body);
  relay.instead("/api/user/profile", { status: 0 });
  assert.equal(await reasonOf(client.ask("POST", "/api/user/profile", { user_name: "x" })), undefined);
  assert.equal(relay.count("/api/user/profile"), 1);

  // After a silence nothing is asked again.
  relay.clear();
  relay.instead(USER_INFO, { status: -1 });
  assert.equal(await reasonOf(me()), undefined);
  assert.equal(relay.count(USER_INFO), 1);
  assert.notEqual(client.tokens(), null);

  // Who is signed out is told why, once, by which device, and when.
  tokens = await fresh();
  const other = await plain("POST", "/api/user/login", "", { phone, password: PASSWORD, device: { type: "pc", name: "a desk" } });
  await plain("POST", "/api/user/sessions/end", other.token, { password: PASSWORD });
  const reasons = await Promise.all(Array.from({ length: 4 }, () => reasonOf(me())));
  assert.deepEqual(reasons, Array(4).fill("session_kicked"));
  assert.equal(told.length, 1);
  assert.deepEqual([told[0].reason, told[0].by], ["session_kicked", { type: "pc", name: "a desk" }]);
  assert.match(told[0].endedAt, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.equal(client.tokens(), null);
  assert.deepEqual(client.signedOut(), told[0]);

  // At a renewal as well.
  tokens = await fresh();
  assert.equal(client.signedOut(), null);
  await plain("POST", "/api/user/logout", tokens.access, {});
  clock.now += WEEK;
  assert.equal(await reasonOf(me()), "session_logged_out");
  assert.deepEqual(told.map(({ reason }) => reason), ["session_logged_out"]);

  // The end of the session before is not the end of this one.
  await fresh();
  relay.instead(USER_INFO, { status: 401, reason: "session_replaced" });
  const late = reasonOf(me());
  await client.login(phone, PASSWORD);
  await late;
  // Which of the two the service saw first is open: either nobody was signed out, or the login came after.
  assert.equal(await me(), phone);

  // A request that lost its token on the way ends nothing.
  await fresh();
  relay.instead(USER_INFO, { status: 401, reason: "token_missing" });
  assert.equal(await reasonOf(me()), "token_missing");
  assert.equal(await me(), phone);

  // What the service refuses is told, whatever the status.
  assert.equal(await reasonOf(client.login(phone, "a wrong one")), "invalid_credentials");
  relay.instead("/api/user/login", { status: 200, text: JSON.stringify({ code: 403, data: "", msg: "m", reason: "invalid_credentials" }) });
  assert.equal(await reasonOf(client.login(phone, PASSWORD)), "invalid_credentials");

  // Who logs out is not told why.
  await fresh();
  await client.logout();
  assert.deepEqual([client.tokens(), client.signedOut(), told], [null, null, []]);
  assert.equal(await reasonOf(me()), "token_missing");

  return { relay, finish: () => { relay.close(); console.log("done"); } };
}

export { USER_INFO };
