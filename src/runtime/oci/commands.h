// oci: the commands that launch nothing.
#pragma once

#include "base/result.h"
#include "runtime/oci/options.h"

namespace pmos::oci {

Result<> print_state(const Options& options);
Result<> print_list(const Options& options);
Result<> print_processes(const Options& options);
Result<> print_features();
Result<> write_spec(const Options& options);
Result<> send_signal(const Options& options);

}  // namespace pmos::oci
