# The control plane, and the portolan command to speak to it. Agents run on the hosts themselves: see README.md.

FROM node:20-bookworm-slim AS build
WORKDIR /app
# Install scripts are not needed to build or to run, and some would download outside the npm registry.
COPY package.json package-lock.json ./
COPY packages packages
COPY apps apps
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json tsconfig.json prisma.config.ts ./
COPY prisma prisma
COPY tools tools
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages packages
COPY --from=build /app/apps apps
COPY --from=build /app/prisma prisma
USER node
EXPOSE 7080
CMD ["node", "apps/control-plane/dist/main.js"]
