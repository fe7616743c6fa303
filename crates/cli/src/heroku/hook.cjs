// Loaded into the official command line by `flowline heroku`: its connections to the reserved name of the server's SSH door,
// which no resolver knows, go to the tunnel on loopback. Everything else stays as it is.
'use strict';
const { Socket } = require('node:net');
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  const wanted = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (wanted && wanted.host === 'exec.flowline.internal' && Number(wanted.port) === 80) {
    wanted.host = '127.0.0.1';
    wanted.port = PORT_OF_THE_TUNNEL;
  }
  return connect.apply(this, args);
};
