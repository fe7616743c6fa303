// Loaded into the official command line by `flowline heroku`: its connections to the reserved name of the server's SSH door,
// which no resolver knows, go to the tunnel on loopback, also those of the `ssh` that it starts. Everything else stays as it is.
'use strict';
const { Socket } = require('node:net');
const child = require('node:child_process');
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  const wanted = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (wanted && wanted.host === 'exec.flowline.internal' && Number(wanted.port) === 80) {
    wanted.host = '127.0.0.1';
    wanted.port = PORT_OF_THE_TUNNEL;
  }
  return connect.apply(this, args);
};

// `ps:exec --ssh` gives the machine's own `ssh` the server's key, under the name and port that it asks for.
const { execSync } = child;
const way = " -p PORT_OF_THE_TUNNEL -o HostName=127.0.0.1 -o 'HostKeyAlias=[exec.flowline.internal]:80' ";
child.execSync = function (command, ...options) {
  const led = typeof command === 'string' && /^ssh .*? -p 80 .*?@exec\.flowline\.internal /.test(command);
  return execSync.call(this, led ? command.replace(' -p 80 ', way) : command, ...options);
};
