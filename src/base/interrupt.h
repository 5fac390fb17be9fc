// Ctrl-C as a request that long work looks at between steps, so that it can save first.
#pragma once

namespace falconer {

/// From now on SIGINT, SIGTERM and SIGHUP set a flag. A second SIGINT or SIGTERM ends the process at
/// once; SIGHUP, which comes more than once where a terminal closes, never does, and stays ignored
/// where the process was told to ignore it, as by nohup.
void catch_interrupts();
bool interrupted();

}  // namespace falconer
