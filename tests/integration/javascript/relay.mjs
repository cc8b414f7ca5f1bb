// A relay before the service, which counts what comes, and answers in its place where a test says so.
import http from "node:http";

export async function relayTo(port) {
  const rules = [];
  const seen = [];
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const token = request.headers.token ?? (request.headers.authorization ?? "").replace("Bearer ", "");
      const body = Buffer.concat(chunks);
      seen.push({ path: request.url, method: request.method, token, at: Date.now(), body: body.toString() });
      const rule = rules.find((each) => each.path === request.url && each.applies(token));
      if (rule) {
        rule.times -= 1;
        if (rule.times <= 0) rules.splice(rules.indexOf(rule), 1);
        if (rule.status === 0) return request.socket.destroy();
        if (rule.status < 0) return undefined; // silence
        const { status, headers = {}, text } = rule;
        response.writeHead(status, { "Content-Type": "application/json", ...headers });
        return response.end(text ?? JSON.stringify({ code: status, data: "", msg: "a message", time: "", reason: rule.reason }));
      }
      const onward = http.request(
        { host: "127.0.0.1", port, path: request.url, method: request.method, headers: request.headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
        },
      );
      return onward.end(body);
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    count: (path) => seen.filter((each) => each.path === path).length,
    // status 0 breaks the connection, -1 says nothing; *applies* looks at the token.
    instead: (path, rule) => rules.push({ path, times: 1, applies: () => true, ...rule }),
    clear: () => { rules.length = 0; seen.length = 0; },
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
