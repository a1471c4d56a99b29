// volume: the secret that opens a volume, in locked memory. The device key's file is read and
// made here and nowhere else; never logs.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/secret.h"

namespace pmos::volume {

// A PIN or a passphrase: to end of file or to the first newline.
Result<SecretBuffer> read_pin(BorrowedFd fd);
// What is there of one: of size 0 where nobody was asked.
Result<SecretBuffer> read_offered(BorrowedFd fd);

// Code::not_found when there is none; Code::denied when others than root may read it.
Result<SecretBuffer> read_device_key(const std::string& path);

// 64 random bytes, 0600, in a directory that is 0700; complete or not there. False: it was there
// already and is kept, for it may open other volumes.
Result<bool> make_device_key(const std::string& path);

// What it opened is gone, so it goes. One that is not there is no error.
Result<void> destroy_device_key(const std::string& path);

}  // namespace pmos::volume
