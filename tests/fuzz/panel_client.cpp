// fuzz: a program of a mode that speaks Wayland as it likes: any bytes, or requests in form with
// anything in them to objects that are there, with memory that is too small for what is said of it.
// The panel draws it, goes on, keeps no more than it may and shows its strip as it was.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "runtime/panel/panel.h"

using namespace pmos;
using namespace pmos::panel;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

struct Nobody final : Doer {
    void switch_to(const std::string&, Answer) override {}
    void lock(const std::string&, Answer) override {}
    void unlock(const std::string&, UniqueFd, Answer) override {}
    void call(const std::string&, Answer) override {}
    void hang_up(Answer) override {}
};

ModeRow row(const char* name, bool front) {
    ModeRow made;
    made.name = made.title = name;
    made.run = 1;
    made.shown = made.input = true;
    made.life = Life::running;
    made.foreground = front;
    for (const char* protocol :
         {"wl_data_device_manager", "wp_viewporter", "wp_presentation",
          "zxdg_decoration_manager_v1", "zwp_primary_selection_device_manager_v1",
          "zxdg_output_manager_v1"})
        made.protocols.emplace_back(protocol);
    return made;
}

// Made once, as the panel is: what one client leaves behind the next one meets.
struct World {
    World() {
        require(::mkdtemp(dir.data()) != nullptr);
        screen = std::move(*Screen::make(*loop, {{360, 720}}));
        displays = std::move(*Displays::make(*screen, dir, [](const Error&) { std::abort(); }));
        panel.emplace(*loop, *screen, *displays, doer);
        require(screen->begin([this] { panel->resized(); }, [](wlr_input_device*) {}).has_value());
        panel->set_table({{row("alpha", true), row("berta", false)}, {}});
        turn();
        globals = names_of(registry());
    }
    void turn(int times = 1) {
        for (int i = 0; i < times; ++i)
            while (sd_event_run(loop->get(), 0) > 0) continue;
    }
    UniqueFd connected() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (dir + "/modes/alpha/wayland-0").copy(address.sun_path, sizeof address.sun_path - 1);
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        require(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        return fd;
    }
    std::string registry() {
        const auto client = connected();
        const std::uint32_t hello[] = {1, 12U << 16 | 1U, 2};
        require(::send(client.get(), hello, sizeof hello, 0) == sizeof hello);
        std::string heard(65536, '\0');
        turn(4);
        const auto n = ::recv(client.get(), heard.data(), heard.size(), 0);
        heard.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return heard;
    }
    // wl_registry.global: name, interface, version.
    static std::map<std::string, std::array<std::uint32_t, 2>> names_of(const std::string& heard) {
        std::map<std::string, std::array<std::uint32_t, 2>> names;
        for (std::size_t at = 0; at + 16 <= heard.size();) {
            std::uint32_t words[4];
            std::memcpy(words, heard.data() + at, sizeof words);
            const std::size_t size = words[1] >> 16;
            const std::string name(heard.data() + at + 16);
            std::uint32_t version = 0;
            std::memcpy(&version, heard.data() + at + size - 4, 4);
            names[name] = {words[2], version};
            at += size;
        }
        return names;
    }

    std::string dir = "/tmp/pmos-fuzz-panel-XXXXXX";
    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    std::unique_ptr<Screen> screen;
    std::unique_ptr<Displays> displays;
    Nobody doer;
    std::optional<Panel> panel;
    std::map<std::string, std::array<std::uint32_t, 2>> globals;
};

class Client {
  public:
    Client(World& world) : world_(world), fd_(world.connected()) {}

    void request(std::uint32_t object, std::uint32_t opcode,
                 const std::vector<std::uint32_t>& words, bool with_memory = false) {
        std::vector<std::uint32_t> whole{
            object, static_cast<std::uint32_t>((8 + 4 * words.size()) << 16) | opcode};
        whole.insert(whole.end(), words.begin(), words.end());
        say({reinterpret_cast<const char*>(whole.data()), whole.size() * 4}, with_memory);
    }
    void say(std::string_view bytes, bool with_memory) {
        iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        UniqueFd memory;
        if (with_memory) {
            memory.reset(::memfd_create("pool", MFD_CLOEXEC));
            require(::ftruncate(memory.get(), 4096) == 0);
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            cmsghdr* const head = CMSG_FIRSTHDR(&message);
            head->cmsg_level = SOL_SOCKET;
            head->cmsg_type = SCM_RIGHTS;
            head->cmsg_len = CMSG_LEN(sizeof(int));
            const int fd = memory.get();
            std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
        }
        static_cast<void>(::sendmsg(fd_.get(), &message, MSG_NOSIGNAL));
    }
    std::uint32_t fresh() {
        objects_.push_back(next_);
        return next_++;
    }
    void bind(const std::string& interface) {
        const auto found = world_.globals.find(interface);
        if (found == world_.globals.end()) return;
        std::vector<std::uint32_t> words{found->second[0],
                                         static_cast<std::uint32_t>(interface.size() + 1)};
        words.resize(2 + (interface.size() + 4) / 4);
        std::memcpy(&words[2], interface.data(), interface.size());
        words.push_back(found->second[1]);
        words.push_back(fresh());
        request(2, 0, words);
    }
    // Everything that is offered, and a window.
    void begin() {
        request(1, 1, {fresh()});
        for (const auto& [interface, global] : world_.globals)
            ids_[interface] = next_, bind(interface);
        const auto surface = fresh(), xdg = fresh(), toplevel = fresh();
        request(ids_["wl_compositor"], 0, {surface});
        request(ids_["xdg_wm_base"], 2, {xdg, surface});
        request(xdg, 1, {toplevel});
        request(surface, 6, {});
        request(ids_["wl_seat"], 0, {fresh()});
        request(ids_["wl_seat"], 1, {fresh()});
        world_.turn(2);
        request(xdg, 4, {1});
        const auto pool = fresh(), buffer = fresh();
        request(ids_["wl_shm"], 0, {pool, 4096}, true);
        request(pool, 0, {buffer, 0, 32, 32, 128, 1});
        request(surface, 1, {buffer, 0, 0});
        request(surface, 6, {});
    }
    // tag: what a byte of the input stands for as an argument.
    std::uint32_t word(std::uint8_t tag, const std::uint8_t*& at, const std::uint8_t* end) {
        if (tag < 0x60) return objects_[tag % objects_.size()];
        if (tag < 0x80) return fresh();
        if (tag < 0xc0) return tag - 0x80U;
        if (tag < 0xe0) return 1U << (tag - 0xc0U);
        if (tag < 0xf0 || end - at < 4) return 0U - (tag - 0xdfU);
        std::uint32_t raw = 0;
        std::memcpy(&raw, at, 4);
        at += 4;
        return raw;
    }
    void structured(const std::uint8_t* at, const std::uint8_t* end) {
        while (end - at >= 3) {
            const std::uint32_t object = objects_[at[0] % objects_.size()], opcode = at[1] % 20;
            const bool with_memory = (at[2] & 0x80U) != 0;
            const int count = at[2] % 9;
            at += 3;
            std::vector<std::uint32_t> words;
            for (int i = 0; i < count && at < end; ++i) {
                const auto tag = *at++;
                words.push_back(word(tag, at, end));
            }
            request(object, opcode, words, with_memory);
            if (opcode == 6) world_.turn();
        }
    }

  private:
    World& world_;
    UniqueFd fd_;
    std::uint32_t next_ = 2;
    std::vector<std::uint32_t> objects_{1};
    std::map<std::string, std::uint32_t> ids_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static World* const world = new World;
    if (size == 0) return 0;
    const Page* const strip = world->panel->strip_page_shown();
    const Page before = *strip;
    {
        Client client(*world);
        if ((data[0] & 1U) != 0) client.begin();
        if ((data[0] & 2U) != 0)
            client.structured(data + 1, data + size);
        else
            client.say({reinterpret_cast<const char*>(data + 1), size - 1}, (data[0] & 4U) != 0);
        world->turn(3);
        // Behind another mode nothing of it is to be in the way.
        if ((data[0] & 8U) != 0) {
            world->panel->set_table({{row("alpha", false), row("berta", true)}, {}});
            world->turn();
            world->panel->set_table({{row("alpha", true), row("berta", false)}, {}});
        }
        world->panel->key(1, 30, true, "a");
        world->panel->pointer(2, 100, 100);
        world->panel->button(3, 0x110, true);
        world->panel->button(4, 0x110, false);
        world->panel->key(5, 30, false, "");
        world->turn(2);
    }
    world->turn(3);
    require(world->displays->find("alpha")->clients() == 0);
    require(*world->panel->strip_page_shown() == before);
    require(world->panel->where() == "mode alpha");
    return 0;
}
