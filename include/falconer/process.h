// The process that the library runs in: its version, threads, log and signals.
#pragma once

#include <cstdint>
#include <string>

#include "falconer/error.h"

namespace falconer {

/// "0.1.0"
std::string version();

// What is set here holds for the whole process, for all runs and models in it.

/// Of the log on stderr: "quiet", "warning", "info" or "debug"; "info" at the start. RunContext::verbosity is
/// that of a single run.
void set_verbosity(const std::string& level);
/// Threads of all computation; 0, as at the start: OMP_NUM_THREADS, else the cores that this process may
/// use, by its affinity and its share of processor time. Runs and models that are at work at once share one pool
/// of so many; results do not depend on the number. It may be changed while they are at work: the next product
/// has the new one.
void set_threads(int threads);
/// From now on SIGINT, SIGTERM and SIGHUP let all running work of the process save and return: runs, answers,
/// downloads. A second SIGINT or SIGTERM ends the process. It replaces handlers of your own; a program that
/// has some leaves it alone, and stops a single run by RunContext::cancel, an answer by the last argument of
/// Model::generate. Call it in every thread that computes: the handlers run on a stack of their own there, as
/// yours have to as well (SA_ONSTACK), since kernels of oneDNN 2.6 compute with the stack pointer.
void handle_interrupts();
/// Whether one of them has come since. Work that begins then stops at once, until clear_interrupts().
bool interrupted();
/// As if none had come: what begins now runs. Not while something is still to stop for one.
void clear_interrupts();
/// What a program that stopped for one of them should end with: 130, 143 or 129.
int interrupt_exit_code();

/// The most memory that this process ever had resident.
int64_t peak_memory_bytes();

}  // namespace falconer
