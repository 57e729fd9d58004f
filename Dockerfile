# syntax=docker/dockerfile:1

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# .dockerignore leaves out the repository, so Go cannot record the version itself:
#	docker build --build-arg VERSION=v0.1.0 --build-arg REVISION="$(git rev-parse --short HEAD)" .
ARG VERSION REVISION
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags="-s -w -X main.version=$VERSION -X main.revision=$REVISION" -o /tidings ./cmd/tidings

# The image holds only the program, and the root certificates that TLS to a managed Postgres needs.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /tidings /tidings
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/tidings", "health"]
ENTRYPOINT ["/tidings"]
CMD ["serve"]
