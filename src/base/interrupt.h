// Ctrl-C as a request that long work looks at between steps, so that it can save first.
#pragma once

namespace falconer {

/// From now on SIGINT and SIGTERM set a flag; a second one ends the process at once.
void catch_interrupts();
bool interrupted();

}  // namespace falconer
