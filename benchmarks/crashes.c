/* Counts the file operations of a program below one folder, and kills the program at the one that is asked for.

   cc -shared -fPIC -O2 -o crashes.so crashes.c -ldl
   LD_PRELOAD=./crashes.so MLBOT_CRASH_PAGE=page MLBOT_CRASH_ROOT=/folder python3 ...

   The page is a file of 64 bytes: armed (0: off, -1: count and write the trace, k: die at the k-th operation), count, dead,
   torn (1: the k-th operation, when it writes, still writes half of its bytes). All processes share it, so a kernel or a worker
   counts as well, and when one has died the others die at their next operation. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct page { long armed, count, dead, torn; };
static struct page *page;
static const char *root;
static int trace = -1;

static long raw_open(const char *path, int flags) { return syscall(SYS_openat, AT_FDCWD, path, flags, 0600); }

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("MLBOT_CRASH_PAGE");
    root = getenv("MLBOT_CRASH_ROOT");
    if (!name || !root) return;
    int fd = (int)raw_open(name, O_RDWR);
    if (fd < 0) return;
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (page == MAP_FAILED) page = NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s.trace", name);
    trace = (int)raw_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
}

static int below(const char *path) {
    if (path[0] == '/') return strncmp(path, root, strlen(root)) == 0;
    char here[4096];
    return getcwd(here, sizeof here) && strncmp(here, root, strlen(root)) == 0;
}

static const char *of(int fd, char *buffer, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, size - 1);
    if (n <= 0) return NULL;
    buffer[n] = 0;
    return buffer[0] == '/' && below(buffer) ? buffer : NULL;
}

/* 0: go on; 1: write half, then call die() */
static void die(void) { page->dead = 1; syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

static int step(const char *what, const char *path, int writes) {
    if (!page || !page->armed || !path || !below(path)) return 0;
    if (page->dead) die();
    long k = __atomic_add_fetch(&page->count, 1, __ATOMIC_SEQ_CST);
    if (page->armed < 0) {
        char line[4400];
        int n = snprintf(line, sizeof line, "%ld %s %.4000s\n", k, what, path);
        if (trace >= 0) syscall(SYS_write, trace, line, n);
    }
    if (k != page->armed) return 0;
    if (writes && page->torn) return 1;
    die();
    return 0;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define MAKES(flags) ((flags) & (O_CREAT | O_TRUNC))

#define OPEN(name) \
int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    if (MAKES(flags)) step("open", path, 0); \
    REAL(name); return real(path, flags, mode); }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
int name(int folder, const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    if (MAKES(flags)) step("open", path, 0); \
    REAL(name); return real(folder, path, flags, mode); }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t n) {
    char path[4096];
    REAL(write);
    if (step("write", page && page->armed ? of(fd, path, sizeof path) : NULL, 1)) { real(fd, data, n / 2); die(); }
    return real(fd, data, n);
}

#define PWRITE(name) \
ssize_t name(int fd, const void *data, size_t n, off_t at) { \
    char path[4096]; REAL(name); \
    if (step("pwrite", page && page->armed ? of(fd, path, sizeof path) : NULL, 1)) { real(fd, data, n / 2, at); die(); } \
    return real(fd, data, n, at); }
PWRITE(pwrite)
PWRITE(pwrite64)

#define ON_FD(name, what, arguments, call) \
int name arguments { char path[4096]; REAL(name); step(what, page && page->armed ? of(fd, path, sizeof path) : NULL, 0); return real call; }
ON_FD(fsync, "fsync", (int fd), (fd))
ON_FD(fdatasync, "fsync", (int fd), (fd))
ON_FD(ftruncate, "truncate", (int fd, off_t n), (fd, n))
ON_FD(ftruncate64, "truncate", (int fd, off_t n), (fd, n))

ssize_t writev(int fd, const struct iovec *parts, int n) {
    char path[4096];
    REAL(writev);
    if (step("write", page && page->armed ? of(fd, path, sizeof path) : NULL, 1)) { real(fd, parts, n / 2); die(); }
    return real(fd, parts, n);
}

#define TWO(name, what, arguments, path, call) int name arguments { REAL(name); step(what, path, 0); return real call; }
TWO(rename, "rename", (const char *a, const char *b), b, (a, b))
TWO(renameat, "rename", (int f, const char *a, int g, const char *b), b, (f, a, g, b))
TWO(renameat2, "rename", (int f, const char *a, int g, const char *b, unsigned how), b, (f, a, g, b, how))
TWO(link, "link", (const char *a, const char *b), b, (a, b))
TWO(linkat, "link", (int f, const char *a, int g, const char *b, int how), b, (f, a, g, b, how))
TWO(symlink, "link", (const char *a, const char *b), b, (a, b))
TWO(unlink, "unlink", (const char *a), a, (a))
TWO(unlinkat, "unlink", (int f, const char *a, int how), a, (f, a, how))
TWO(rmdir, "unlink", (const char *a), a, (a))
TWO(mkdir, "mkdir", (const char *a, mode_t mode), a, (a, mode))
TWO(mkdirat, "mkdir", (int f, const char *a, mode_t mode), a, (f, a, mode))
