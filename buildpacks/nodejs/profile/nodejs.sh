export PATH="$HOME/node_modules/.bin:$PATH"
export NODE_HOME=/usr
export NODE_ENV="${NODE_ENV:-production}"
