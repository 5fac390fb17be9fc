# Falconer on Debian 12. After `make package`:
#   docker build -t falconer -f Dockerfile build/packages
#   docker run --rm -v "$PWD:/work" falconer finetune lora --checkpoint falcon-7b --data rows.json --out out
FROM debian:12-slim
COPY falconer_*_amd64.deb /tmp/
RUN apt-get update \
 && apt-get install -y --no-install-recommends /tmp/falconer_*_amd64.deb libcurl4 ca-certificates \
 && rm -rf /tmp/falconer_*_amd64.deb /var/lib/apt/lists/*
WORKDIR /work
ENTRYPOINT ["falconer"]
