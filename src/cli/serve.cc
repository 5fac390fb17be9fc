// falconer serve
#include "falconer/serve.h"

#include "base/log.h"
#include "cli/command.h"
#include "falconer/process.h"

namespace falconer::cli {

void add_serve(Command& command) {
  auto options = std::make_shared<ServeOptions>();
  add_settings(command, settings_of(*options));
  command.does([options] {
    handle_interrupts();
    set_log_times(true);
    Server server = Server::open(*options);
    log_info("serving at {}/v1, with a page at {}/ (Ctrl-C stops it)", server.address(),
             server.address());
    server.run();
  });
}

}  // namespace falconer::cli
