// volume: the header of a volume that exists, be the volume open or closed. Never maps it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/source.h"

namespace pmos::volume {

// "volume 'data' of mode 'secure'"
std::string name_of(const Request& request);

// Of a volume that is whole: not_provisioned else. Puts back first what a restore that was cut
// short has written over.
Result<void> check_complete(const Request& request);
Result<SecretBuffer> read_secret_of(const Request& request, const UniqueFd& secret);

// Code::locked: its key is taken away, and who reads or writes in it would wait for ever.
Result<void> check_not_suspended(const Request& request);

// Code::locked: it is not open.
Result<void> check_open(const Request& request);

// Through the device that an open volume stands on, so that the header is read and written in one
// place only; a closed one gets a device as long as this lives.
class Header {
  public:
    static Result<Header> open(const Request& request, bool read_only);
    CryptDevice& crypt() { return *crypt_; }
    Mapping mapping() const { return mapping_; }

  private:
    Mapping mapping_ = Mapping::absent;
    std::optional<SourceDevice> device_;
    std::optional<CryptDevice> crypt_;
};

}  // namespace pmos::volume
