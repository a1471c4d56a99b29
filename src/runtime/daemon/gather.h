// daemon: one answer for many requests that go on at the same time. Starts nothing itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

// To be called once for each of `count` requests; then done gets the first error, if any.
inline std::function<void(Result<>)> gather(std::size_t count, Done done) {
    struct All {
        std::size_t left;
        std::optional<Error> first;
        Done done;
    };
    return
        [all = std::make_shared<All>(All{count, std::nullopt, std::move(done)})](Result<> result) {
            if (!result && !all->first) all->first = std::move(result.error());
            if (--all->left != 0) return;
            all->done(all->first ? Result<>(fail(std::move(*all->first))) : Result<>());
        };
}

}  // namespace pmos::daemon
