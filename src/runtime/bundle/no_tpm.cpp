// bundle: in place of tpm_floor.cpp where pmos is built without a TPM: says so, keeps nothing.
#include "runtime/bundle/floor.h"

namespace pmos::bundle {
namespace {

class NoTpm : public FloorKeeper {
  public:
    Result<std::optional<std::uint64_t>> read(bool) override { return none(); }
    Result<> raise(std::uint64_t) override { return none(); }

  private:
    static std::unexpected<Error> none() {
        return fail(Code::not_found, "the TPM cannot be used",
                    "this build of pmos has no TPM support (-Dtpm=disabled)",
                    "install one that has it, or do without as docs/bundles.md says, Recovery");
    }
};

}  // namespace

std::unique_ptr<FloorKeeper> make_tpm_keeper() { return std::make_unique<NoTpm>(); }

}  // namespace pmos::bundle
