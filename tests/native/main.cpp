// native tests: main. Exits with 77 and the reason where this machine cannot run them.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>

#include "world.h"

int main(int argc, char** argv) {
    Catch::Session session;
    auto& p = pmos::test::paths();
    using Catch::clara::Opt;
    const auto options = session.cli() | Opt(p.launcher, "path")["--launcher"]("pmos-launch") |
                         Opt(p.init, "path")["--init"]("pmos-init") |
                         Opt(p.probe, "path")["--probe"]("pmos-probe") |
                         Opt(p.tryer, "path")["--try"]("pmos-try");
    session.cli(options);
    if (const int err = session.applyCommandLine(argc, argv); err != 0) return err;
    if (const std::string why = pmos::test::enter_private_mounts(); !why.empty()) {
        std::printf("skipped: %s\n", why.c_str());
        return 77;
    }
    return session.run();
}
