// cli: pmosctl. Faces a person; never touches the kernel's containers itself.
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/output.h"

int main(int argc, char** argv) {
    std::setlocale(LC_CTYPE, "");
    const int status = pmos::cli::run(std::vector<std::string>(argv + 1, argv + argc));
    // A full disk shows only here; a lost line must not look like success.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        pmos::cli::print_error(pmos::errno_error(errno, "cannot write to standard output"));
        return status == 0 ? 1 : status;
    }
    return status;
}
