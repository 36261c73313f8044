/* Stands in for the calls of the CUDA runtime that edgekd makes, with memory of the host. Streams are numbered from 1. */
#include <stdlib.h>
#include <string.h>

static long streams = 0;
long live_blocks = 0;

static int fails(const char *name) {
    const char *wanted = getenv("STANDIN_CUDA_FAILS");
    return wanted && !strcmp(wanted, name) ? 2 : 0;
}

int cudaMalloc(void **pointer, size_t size) {
    if (fails("cudaMalloc")) return 2;
    *pointer = malloc(size);
    live_blocks++;
    return *pointer ? 0 : 2;
}
int cudaFree(void *pointer) {
    free(pointer);
    live_blocks--;
    return 0;
}
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    if (!stream || (kind != 1 && kind != 2)) return 1;
    memcpy(to, from, size);
    return fails("cudaMemcpyAsync");
}
int cudaStreamCreate(void **stream) {
#ifdef TOO_NEW
    return 35;
#endif
    *stream = (void *)++streams;
    return 0;
}
int cudaStreamSynchronize(void *stream) { return stream ? fails("cudaStreamSynchronize") : 1; }
int cudaStreamDestroy(void *stream) { return stream ? 0 : 1; }
const char *cudaGetErrorString(int code) {
    if (code == 35) return "CUDA driver version is insufficient for CUDA runtime version";
    return code == 2 ? "out of memory" : "invalid argument";
}
