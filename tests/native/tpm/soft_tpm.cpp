// tests: a software TPM of one's own, by swtpm: started, killed and started again on one state.
#include "soft_tpm.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <tss2/tss2_tcti_swtpm.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace pmos::test {
namespace {

using namespace std::chrono_literals;

// Between Esys and the TPM: passes everything on, but for the commands that are to be refused.
struct Between {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    TSS2_TCTI_CONTEXT* inner;
    std::deque<TSS2_RC>* refusals;
    std::string* heard;
    const std::string* socket;
    TSS2_RC refused;  // of the command that waits for its answer
};
Between& of(TSS2_TCTI_CONTEXT* tcti) { return *reinterpret_cast<Between*>(tcti); }

TSS2_RC transmit(TSS2_TCTI_CONTEXT* tcti, std::size_t size, const std::uint8_t* command) {
    auto& self = of(tcti);
    self.refused = TSS2_RC_SUCCESS;
    self.heard->append(reinterpret_cast<const char*>(command), size);
    if (!self.refusals->empty()) {
        self.refused = self.refusals->front();
        self.refusals->pop_front();
    }
    if (self.refused != TSS2_RC_SUCCESS) return TSS2_RC_SUCCESS;
    return Tss2_Tcti_Transmit(self.inner, size, command);
}

TSS2_RC receive(TSS2_TCTI_CONTEXT* tcti, std::size_t* size, std::uint8_t* response,
                std::int32_t timeout) {
    auto& self = of(tcti);
    if (self.refused == TSS2_RC_SUCCESS) {
        const auto rc = Tss2_Tcti_Receive(self.inner, size, response, timeout);
        if (rc == TSS2_RC_SUCCESS && response != nullptr)
            self.heard->append(reinterpret_cast<const char*>(response), *size);
        return rc;
    }
    if ((self.refused & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER) return self.refused;
    const auto rc = self.refused;
    const std::array<std::uint8_t, 10> answer{0x80,
                                              0x01,
                                              0,
                                              0,
                                              0,
                                              10,
                                              0,
                                              0,
                                              static_cast<std::uint8_t>(rc >> 8U),
                                              static_cast<std::uint8_t>(rc)};
    *size = answer.size();
    if (response != nullptr) std::memcpy(response, answer.data(), answer.size());
    return TSS2_RC_SUCCESS;
}

// By proc(5), where bit 16 of the flags is that of a socket somebody listens at: a path is there
// before that.
bool is_listened_at(const std::string& path) {
    std::ifstream sockets("/proc/net/unix");
    for (std::string line; std::getline(sockets, line);) {
        std::istringstream words(line);
        std::string at, references, protocol, flags, type, state, inode, name;
        words >> at >> references >> protocol >> flags >> type >> state >> inode >> name;
        if (name == path && flags == "00010000") return true;
    }
    return false;
}

// This process's end of the connection to `path`, which is there while an answer is waited for.
int connection_to(const std::string& path) {
    for (int fd = 3; fd < 256; ++fd) {
        sockaddr_un peer{};
        socklen_t size = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
            peer.sun_family == AF_UNIX && path == peer.sun_path)
            return fd;
    }
    return -1;
}

// As the way to a device has it; that to swtpm does not.
TSS2_RC poll_handles(TSS2_TCTI_CONTEXT* tcti, TSS2_TCTI_POLL_HANDLE* handles, std::size_t* count) {
    const auto& self = of(tcti);
    // What is refused on the way is answered at once.
    if (self.refused != TSS2_RC_SUCCESS) return TSS2_TCTI_RC_NOT_IMPLEMENTED;
    handles[0].fd = connection_to(*self.socket);
    *count = 1;
    return TSS2_RC_SUCCESS;
}

void finalize(TSS2_TCTI_CONTEXT* tcti) { tpm::FreeTcti()(of(tcti).inner); }

}  // namespace

SoftTpm::SoftTpm() {
    std::string pattern = "/tmp/pmos-tpm-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    socket_ = directory_ + "/tpm";
    start();
}

SoftTpm::~SoftTpm() {
    pull_plug();
    std::filesystem::remove_all(directory_);
}

void SoftTpm::start() {
    std::vector<std::string> words{"swtpm",
                                   "socket",
                                   "--tpm2",
                                   "--tpmstate",
                                   "dir=" + directory_,
                                   "--server",
                                   "type=unixio,path=" + socket_,
                                   "--ctrl",
                                   "type=unixio,path=" + socket_ + ".ctrl",
                                   "--flags",
                                   "not-need-init,startup-clear",
                                   "--log",
                                   "level=0,file=" + directory_ + "/log"};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    INFO("swtpm (Debian's package of that name) is needed");
    REQUIRE(::posix_spawnp(&pid_, "swtpm", nullptr, nullptr, argv.data(), environ) == 0);
    const auto is_up = [&] { return is_listened_at(socket_) && is_listened_at(socket_ + ".ctrl"); };
    for (int i = 0; i < 6000 && !is_up(); ++i) std::this_thread::sleep_for(5ms);
    REQUIRE(is_up());
}

void SoftTpm::pull_plug() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    ::unlink(socket_.c_str());
    ::unlink((socket_ + ".ctrl").c_str());
}

void SoftTpm::halt() const { ::kill(pid_, SIGSTOP); }
void SoftTpm::go_on() const { ::kill(pid_, SIGCONT); }

Result<tpm::Tpm> SoftTpm::open(std::chrono::milliseconds longest) {
    const std::string how = "path=" + socket_;
    std::size_t size = 0;
    Tss2_Tcti_Swtpm_Init(nullptr, &size, how.c_str());
    auto* const inner = static_cast<TSS2_TCTI_CONTEXT*>(std::calloc(1, size));
    const auto rc = Tss2_Tcti_Swtpm_Init(inner, &size, how.c_str());
    if (rc != TSS2_RC_SUCCESS) {
        std::free(inner);
        return fail(tpm::tpm_error(rc, "no TPM"));
    }
    auto* const self = static_cast<Between*>(std::calloc(1, sizeof(Between)));
    self->common.magic = 0x706d6f73;
    self->common.version = 1;
    self->common.transmit = transmit;
    self->common.receive = receive;
    self->common.finalize = finalize;
    self->common.getPollHandles = poll_handles;
    self->inner = inner;
    self->refusals = &refusals;
    self->heard = &heard;
    self->socket = &socket_;
    return tpm::Tpm::over(tpm::Tcti(reinterpret_cast<TSS2_TCTI_CONTEXT*>(self)), longest);
}

int SoftTpm::tool(const std::string& command) const {
    const auto line = fmt::format("cd {} && export TPM2TOOLS_TCTI=swtpm:path={} && ({}) >out 2>&1",
                                  directory_, socket_, command);
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace pmos::test
