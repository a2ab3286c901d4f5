/*
 * User-Mode Linux on processors with large vector registers.
 *
 * linux.uml restores the registers of its processes with PTRACE_SETREGSET/NT_X86_XSTATE from a buffer of a size
 * fixed when it was compiled (2696 bytes in Debian 12's 6.1). The kernel below refuses a buffer that is shorter than
 * its own XSAVE area, and with AMX (8 KiB of tile registers) that area is longer: the guest stops at once with
 * "ptrace set fp regs failed, errno = 14". This library stands between linux.uml and ptrace() by LD_PRELOAD and
 * pads the buffer to full size with what the process had there before anything ran in it: the initial state.
 *
 * It includes no header and needs nothing but libc's syscall(), so that a bare `tcc -shared -nostdlib` compiles it.
 * x86-64 only, as is the instruction set that it is about.
 */
typedef unsigned long size_t;
struct iovec {
  void *base;
  size_t length;
};

extern long syscall(long number, ...);

#define SYS_PTRACE 101
#define PTRACE_PEEKTEXT 1
#define PTRACE_PEEKUSER 3
#define PTRACE_GETREGSET 0x4204
#define PTRACE_SETREGSET 0x4205
#define NT_X86_XSTATE 0x202

/* XSAVE areas are 11 KiB with AMX; the kernel answers how much of this it filled. */
static unsigned char area[65536] __attribute__((aligned(64)));
/* Size of the kernel's XSAVE area in bytes, 0 until it was asked. linux.uml calls ptrace() from one thread. */
static size_t area_length;

static int learn_area(int pid, size_t known) {
  struct iovec whole;
  size_t at;
  whole.base = area;
  whole.length = sizeof area;
  if (syscall(SYS_PTRACE, (long)PTRACE_GETREGSET, (long)pid, (long)NT_X86_XSTATE, &whole) < 0) return -1;
  area_length = whole.length;
  for (at = known; at < area_length; at++) area[at] = 0;
  return 0;
}

long ptrace(int request, int pid, void *address, void *payload) {
  if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE) {
    struct iovec *given = payload;
    if (area_length == 0 && learn_area(pid, given->length) < 0) return -1;
    if (given->length < area_length) {
      struct iovec whole;
      size_t at;
      for (at = 0; at < given->length; at++) area[at] = ((unsigned char *)given->base)[at];
      whole.base = area;
      whole.length = area_length;
      return syscall(SYS_PTRACE, (long)request, (long)pid, (long)NT_X86_XSTATE, &whole);
    }
  }
  /* The system call stores a peeked word through its last argument; the libc function returns it. */
  if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {
    long word = 0;
    if (syscall(SYS_PTRACE, (long)request, (long)pid, address, &word) < 0) return -1;
    return word;
  }
  return syscall(SYS_PTRACE, (long)request, (long)pid, address, payload);
}
