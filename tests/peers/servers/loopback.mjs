// Loaded before a server that only listens on a port of its own choice: on loopback instead, on a free port, which is
// told on standard error.
import { Server } from 'node:net';

const listen = Server.prototype.listen;

Server.prototype.listen = function (_port, ...rest) {
  const told = () => console.error(`listening on http://127.0.0.1:${this.address().port}`);
  this.once('listening', told);
  return listen.call(this, 0, '127.0.0.1', ...rest.filter((argument) => typeof argument === 'function'));
};
