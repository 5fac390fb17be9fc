// The process that the library runs in: its version, threads, log and signals.
#pragma once

#include <cstdint>
#include <string>

#include "falconer/error.h"

namespace falconer {

/// "0.1.0"
std::string version();

/// "quiet", "warning", "info" or "debug"; "info" at the start.
void set_verbosity(const std::string& level);
/// Threads of all computation; 0, as at the start: OMP_NUM_THREADS, else the cores that this process may
/// use, by its affinity and its share of processor time.
void set_threads(int threads);
/// SIGINT, SIGTERM and SIGHUP let running work save and return. Call it in the thread that computes: the
/// handlers run on a stack of their own there, as yours have to as well (SA_ONSTACK), since kernels of
/// oneDNN 2.6 compute with the stack pointer.
void handle_interrupts();
/// Whether one of them has come since.
bool interrupted();
/// What a program that stopped for one of them should end with: 130, 143 or 129.
int interrupt_exit_code();

/// The most memory that this process ever had resident.
int64_t peak_memory_bytes();

}  // namespace falconer
