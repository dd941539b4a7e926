# Acervo as an image: the server, and the scripts an operator runs. `docker-compose.yml` runs it with its neighbours.
# Debian, not Alpine: the SurrealDB engine in the process is the one that is tested, for glibc.
ARG NODE_IMAGE=node:22.21.1-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src src
RUN npx tsc -b

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev

FROM ${NODE_IMAGE}
ENV NODE_ENV=production ACERVO_HOST=0.0.0.0 ACERVO_PORT=8080 ACERVO_DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json lifecycle.xml ./
COPY surql surql
COPY scripts scripts
# A new volume takes over the owner of the directory that it covers.
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
# Lives, not is ready: a database that is away is no reason to restart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.ACERVO_PORT + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No shell in between: SIGTERM reaches the process itself, which finishes the requests under way.
CMD ["node", "dist/main.js"]
