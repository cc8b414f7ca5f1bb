// Keeps a user signed in with axios (1.x). Copy this file into your app:
//
//   import axios from "axios";
//   import { keepSignedIn } from "./axios.js";
//
//   const http = axios.create({ baseURL: "https://accounts.example.com", timeout: 10000 });
//   const session = keepSignedIn(http, { storage: inLocalStorage("menshen"), onSignedOut: ({ reason }) => ... });
//   await http.post("/api/user/login", { phone, password });
//   await http.get("/api/user/user_info");
//
// The token goes with every request of this instance to its baseURL, and never to another address.
// A request that fails is rejected as axios does it; error.refusal has code, reason, msg and data of a refusal.

const OPEN = /\/api\/user\/(register|login|token\/refresh)$/;
const ELSEWHERE = /^([a-z][a-z0-9+.-]*:)?\/\//i;
const OVER = /\/api\/user(\/logout|\/close)?$/; // DELETE /api/user closes the account
const MAX_WAIT_SECONDS = 5;
const RENEW_BEFORE_SECONDS = 60;

export function inLocalStorage(name) {
  return {
    load: () => JSON.parse(localStorage.getItem(name)),
    save: (tokens) => (tokens ? localStorage.setItem(name, JSON.stringify(tokens)) : localStorage.removeItem(name)),
  };
}

export function inMemory() {
  let kept = null;
  return { load: () => kept, save: (tokens) => (kept = tokens) };
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

export function keepSignedIn(http, { storage = inMemory(), onSignedOut = () => {}, sleep = pause, now = Date.now } = {}) {
  let renewing = null;
  const session = { signedOut: null, get tokens() { return storage.load(); } };

  function take({ token, data }) {
    const lasts = data.expires_in;
    const due = now() + (lasts - Math.min(RENEW_BEFORE_SECONDS, lasts / 10)) * 1000;
    session.signedOut = null;
    storage.save({ access: token, refresh: data.refresh_token, session: data.session_id, due });
  }

  // What comes after *worn*: whoever is first asks, all others wait for the same answer. Another tab may have asked.
  function renewed(worn) {
    const kept = storage.load();
    if (kept === null || kept.access !== worn.access) return Promise.resolve();
    renewing ??= http
      .post("/api/user/token/refresh", { refresh_token: kept.refresh }, { menshen: { renews: kept } })
      .then((response) => { if (isStill(kept)) take(response.data); })
      .finally(() => (renewing = null));
    return renewing;
  }

  const isStill = (before) => storage.load()?.session === before.session;

  function end(before, { reason, msg, data }) {
    if (!isStill(before)) return;
    storage.save(null);
    session.signedOut = { reason, msg, endedAt: data?.ended_at ?? null, by: data?.by ?? null };
    onSignedOut(session.signedOut);
  }

  http.interceptors.request.use(async (config) => {
    config.menshen ??= {};
    if (OPEN.test(config.url) || ELSEWHERE.test(config.url)) return config;
    let kept = storage.load();
    if (kept !== null && now() >= kept.due) {
      // Without an answer to the renewal, the old token does while it is good.
      await renewed(kept).catch((failure) => { if (storage.load() === null) throw failure; });
      kept = storage.load();
    }
    if (kept !== null) config.headers.Authorization = `Bearer ${kept.access}`;
    config.menshen.sent = kept;
    return config;
  });

  http.interceptors.response.use(
    (response) => {
      const { config, data } = response;
      // Where the service is set up to answer 200 in any case, only the body says that it refuses.
      if (data?.reason) return refused(Object.assign(new Error(data.msg), { config, response }));
      if (/\/(register|login)$/.test(config.url) && data?.token) take(data);
      if (OVER.test(config.url) && config.method !== "get") storage.save(null);
      return response;
    },
    (error) => refused(error),
  );

  async function refused(error) {
    const { config, response } = error;
    const state = config?.menshen;
    if (!state) throw error;
    if (!response) {
      // The answer was lost: only what does nothing a second time is sent again, and not after a silence.
      const isSafe = config.method === "get" || state.renews;
      if (state.lost || !isSafe || /ABORTED|TIMEDOUT|CANCELED/.test(error.code)) throw error;
      state.lost = true;
      return http.request(config);
    }
    if (!response.data?.reason) throw error; // not menshen's: a proxy's page
    error.refusal = response.data;
    const { code, reason } = response.data;
    const seconds = Number(response.headers["retry-after"] ?? NaN);
    if (code === 503 && !state.waited && seconds >= 0 && seconds <= MAX_WAIT_SECONDS) {
      state.waited = true;
      await sleep(seconds * 1000);
      return http.request(config);
    }
    const shown = state.renews ?? state.sent;
    if (code !== 401 || !shown || reason === "token_missing") throw error;
    if (reason === "token_expired" && !state.renews) {
      if (state.renewed) throw error;
      state.renewed = true;
      await renewed(shown);
      if (storage.load() === null) throw error;
      return http.request(config);
    }
    end(shown, response.data);
    throw error;
  }

  return session;
}
