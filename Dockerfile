FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY awsapi awsapi
COPY cmd cmd
COPY metrics metrics
COPY syncer syncer
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tgsync ./cmd/tgsync

FROM gcr.io/distroless/static:nonroot
ARG VERSION=devel
LABEL org.opencontainers.image.title="tgsync" \
      org.opencontainers.image.description="Keeps AWS target groups equal to the pods that should receive traffic" \
      org.opencontainers.image.source="https://github.com/tgsync/tgsync" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /out/tgsync /tgsync
# By number: the kubelet cannot prove of a name that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/tgsync"]
