# vector_hnsw in the official image of PostgreSQL
#
#   docker build --build-arg PG_MAJOR=17 -t vector_hnsw .
#   docker run --shm-size=1g -e POSTGRES_PASSWORD=... vector_hnsw
#
# Parallel builds of an index take their memory from /dev/shm: --shm-size must
# be above maintenance_work_mem.

ARG PG_MAJOR=17
ARG DEBIAN_CODENAME=trixie

FROM postgres:$PG_MAJOR-$DEBIAN_CODENAME AS build
ARG PG_MAJOR
RUN apt-get update && \
    apt-get install -y --no-install-recommends gcc libc6-dev make \
        postgresql-server-dev-$PG_MAJOR
COPY . /src
RUN make -C /src clean with_llvm=no && \
    make -C /src -j "$(nproc)" with_llvm=no && \
    make -C /src install with_llvm=no DESTDIR=/out

FROM postgres:$PG_MAJOR-$DEBIAN_CODENAME
COPY --from=build /out /
