// Ctrl-C as a request that long work looks at between steps, so that it can save first.
#pragma once

namespace falconer {

/// From now on SIGINT, SIGTERM and SIGHUP set a flag. A second SIGINT or SIGTERM ends the process at
/// once; SIGHUP, which comes more than once where a terminal closes, never does, and stays ignored
/// where the process was told to ignore it, as by nohup.
void catch_interrupts();
bool interrupted();
/// As if this process had got the signal that another rank of its job got, whose interrupt_exit_code() this is.
void interrupt_as(int exit_code);
/// As if none had come yet.
void forget_interrupts();

/// What a program that stopped for one of them ends with, as shells say it: 128 and the signal's number, 130
/// for SIGINT, 143 for SIGTERM, 129 for SIGHUP. That of SIGINT where none came.
int interrupt_exit_code();
/// Whether `code` is one of these, as of another falconer.
bool is_interrupt_exit_code(int code);

}  // namespace falconer
