// cli: the progress that pmosd tells of a mode, shown while a call waits for its answer.
#include "cli/show_progress.h"

#include "runtime/daemon/bus_names.h"

namespace pmos::cli {

Result<> show_progress(BusClient& bus, const std::string& mode,
                       const std::shared_ptr<ProgressView>& view) {
    return bus.listen(mode_address(mode).path, bus::kModeInterface, "Progress",
                      [view = std::weak_ptr(view)](const Message& m) {
                          const char *operation = nullptr, *step = nullptr;
                          std::uint32_t permille = 0;
                          const auto live = view.lock();
                          if (live && read(m, "sus", &operation, &permille, &step))
                              live->update(operation, permille, step);
                      });
}

}  // namespace pmos::cli
