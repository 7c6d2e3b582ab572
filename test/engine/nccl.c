/* Stands in for NCCL: the same functions (nccl.h of 2.30), on the host's memory. Every process is like this one. */
#include <stddef.h>
#include <stdint.h>

typedef struct { char internal[128]; } ncclUniqueId;
struct communicator { int size, rank, open; };
static struct communicator made;
static int later, aborts;
static uintptr_t streams[8];
static int calls;

int ncclGetVersion(int *version) { *version = 23007; return 0; }
int ncclGetUniqueId(ncclUniqueId *id) {
  for (int i = 0; i < 128; i++) id->internal[i] = (char)(200 - i);
  return 0;
}
int ncclCommInitRank(void **communicator, int size, ncclUniqueId id, int rank) {
  for (int i = 0; i < 128; i++) if (id.internal[i] != (char)(200 - i)) return 4;
  if (rank < 0 || rank >= size) return 5;
  made = (struct communicator){size, rank, 1};
  *communicator = &made;
  return 0;
}
/* float32 is 7, sum is 0. */
int ncclAllReduce(const float *from, float *to, size_t count, int type, int operation, struct communicator *c, uintptr_t stream) {
  if (c != &made || !c->open || type != 7 || operation != 0) return 4;
  if (stream == 0xdead) return 1;
  streams[calls++ % 8] = stream;
  for (size_t i = 0; i < count; i++) to[i] = from[i] * (float)c->size;
  if (stream == 0xbad) later = 6;
  return 0;
}
int ncclCommGetAsyncError(struct communicator *c, int *status) { *status = c->open ? later : 4; return 0; }
int ncclCommAbort(struct communicator *c) { c->open = 0; aborts++; later = 0; return 0; }
const char *ncclGetLastError(void *c) { return c ? "the peer is gone\nmore" : "no such device"; }
int standInAborts(void) { return aborts; }
uintptr_t standInStream(int call) { return streams[call % 8]; }
