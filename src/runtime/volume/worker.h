// volume: the verbs. Each is one pass from request to answer and leaves nothing behind when
// it fails; never opens the network, never logs.
#pragma once

#include "base/result.h"
#include "runtime/volume/channel.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

// The done event of the request, or why not.
Result<Event> work(Channel& channel);

Result<Event> provision(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> open(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> close(const Request& request, Channel& channel);
Result<Event> status(const Request& request);
Result<Event> suspend(const Request& request, UniqueFd reclaim, Channel& channel);
Result<Event> resume(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> cut_off(const Request& request, Channel& channel);
Result<Event> info(const Request& request, Channel& channel);
Result<Event> passwd(const Request& request, UniqueFd old_secret, UniqueFd new_secret,
                     Channel& channel);
Result<Event> backup(const Request& request, UniqueFd file, Channel& channel);
Result<Event> resize(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> wipe_free(const Request& request, Channel& channel);
Result<Event> trim(const Request& request, Channel& channel);
Result<Event> auth_list(const Request& request, Channel& channel);
Result<Event> auth_enroll(const Request& request, UniqueFd secret, UniqueFd other,
                          Channel& channel);
Result<Event> auth_remove(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> auth_test(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> keep_denials(const Request& request, UniqueFd lines, Channel& channel);
Result<Event> read_denials(const Request& request, UniqueFd file, Channel& channel);
Result<Event> new_tunnel_key(const Request& request, Channel& channel);
Result<Event> import_tunnel_key(const Request& request, UniqueFd text, Channel& channel);
Result<Event> read_tunnel_key(const Request& request, UniqueFd pipe, Channel& channel);
Result<Event> show_tunnel_key(const Request& request, Channel& channel);
Result<Event> import_preshared_key(const Request& request, UniqueFd text, Channel& channel);
Result<Event> restore(const Request& request, UniqueFd file, Channel& channel);
Result<Event> reencrypt(const Request& request, UniqueFd secret, Channel& channel);
Result<Event> erase(const Request& request, Channel& channel);
Result<Event> duress(const Request& request, UniqueFd secret, UniqueFd duress, Channel& channel);

}  // namespace pmos::volume
