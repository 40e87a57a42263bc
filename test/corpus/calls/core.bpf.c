// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// CO-RE records move with the code that is copied.
#include "calls.h"

struct task_struct {
  int pid;
  struct task_struct* real_parent;
} __attribute__((preserve_access_index));
static u64 (*current)(void) = (void*)35;
static long (*read_kernel)(void* to, u32 size, const void* from) = (void*)113;
volatile u64 last;

static noinline int pid_of(struct task_struct* task) {
  int pid = 0;
  read_kernel(&pid, sizeof pid, &task->pid);
  return pid;
}

SEC("tp/syscalls/sys_enter_nanosleep") int enter(void* ctx) {
  struct task_struct *task = (void*)current(), *parent = 0;
  read_kernel(&parent, sizeof parent, &task->real_parent);
  last = pid_of(parent);
  return 0;
}
