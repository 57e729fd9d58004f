// A Socket.IO server as its documentation begins one, and an endpoint in the same
// process that emits what is posted to it. Its port is the argument. Clients come by
// WebSocket, which is its leanest transport, or by polls, for the cells of polls.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    io.emit("bench.message", JSON.parse(body));
    response.writeHead(204).end();
  });
});
const io = new Server(http, { serveClient: false });
http.keepAliveTimeout = 120_000; // for the pool of a proxy
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
