const http = require('http');

const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`Hello from ${process.env.DYNO}. Change index.js, commit, and push again.\n`);
});

server.listen(process.env.PORT, () => console.log(`Listening on ${process.env.PORT}`));

// A dyno is told to end with SIGTERM: finish what is being answered, then go.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
