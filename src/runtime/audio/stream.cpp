// audio: a stream of PipeWire that carries frames of ours, on either side.
#include "runtime/audio/stream.h"

#include <fmt/format.h>
#include <spa/param/audio/format-utils.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pmos::audio {
namespace {

constexpr std::uint32_t kStride = sizeof(Frame);

spa_audio_info_raw format() {
    spa_audio_info_raw info{};
    info.format = SPA_AUDIO_FORMAT_S16;
    info.rate = kRate;
    info.channels = 2;
    info.position[0] = SPA_AUDIO_CHANNEL_FL;
    info.position[1] = SPA_AUDIO_CHANNEL_FR;
    return info;
}

pw_properties* properties(const Stream::Setup& setup) {
    pw_properties* made = pw_properties_new(nullptr, nullptr);
    if (made == nullptr) return nullptr;
    pw_properties_set(made, PW_KEY_NODE_NAME, setup.name.c_str());
    pw_properties_set(made, PW_KEY_NODE_DESCRIPTION, setup.description.c_str());
    pw_properties_set(made, PW_KEY_MEDIA_NAME, setup.description.c_str());
    if (setup.media_class.empty()) {
        pw_properties_set(made, PW_KEY_MEDIA_TYPE, "Audio");
        pw_properties_set(made, PW_KEY_MEDIA_CATEGORY, setup.input ? "Capture" : "Playback");
        // What the phone plays is no microphone; phone.lua has the other half.
        if (setup.input) pw_properties_set(made, PW_KEY_NODE_LINK_GROUP, "pmos-loudspeakers");
        pw_properties_set(made, PW_KEY_NODE_LATENCY, fmt::format("{}/{}", kQuantum, kRate).c_str());
    } else {
        pw_properties_set(made, PW_KEY_MEDIA_CLASS, setup.media_class.c_str());
        pw_properties_set(made, PW_KEY_PRIORITY_SESSION, "1000");
        pw_properties_set(made, PW_KEY_PRIORITY_DRIVER, "1000");
    }
    return made;
}

}  // namespace

std::string_view direction_name(Direction direction) noexcept {
    return direction == Direction::playback ? "playback" : "capture";
}

const pw_stream_events Stream::kEvents = [] {
    pw_stream_events events{};
    events.version = PW_VERSION_STREAM_EVENTS;
    events.state_changed = on_state;
    events.process = on_process;
    return events;
}();

Result<std::unique_ptr<Stream>> Stream::connect(pw_core* core, const Setup& setup, Process process,
                                                std::function<void(bool)> runs_now) {
    std::unique_ptr<Stream> made(new Stream(setup.input, std::move(process), std::move(runs_now)));
    made->stream_.reset(pw_stream_new(core, setup.name.c_str(), properties(setup)));
    if (!made->stream_)
        return fail(errno_error(errno, fmt::format("cannot make the stream '{}'", setup.name)));
    pw_stream_add_listener(made->stream_.get(), &made->listener_, &kEvents, made.get());
    std::array<std::uint8_t, 1024> bytes;
    spa_pod_builder builder{};
    spa_pod_builder_init(&builder, bytes.data(), bytes.size());
    auto info = format();
    const spa_pod* params[] = {spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info)};
    unsigned flags = PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS;
    // A device waits to be linked; a client's stream asks for it.
    if (setup.media_class.empty()) flags |= PW_STREAM_FLAG_AUTOCONNECT;
    if (setup.driver) flags |= PW_STREAM_FLAG_DRIVER;
    if (!setup.active) flags |= PW_STREAM_FLAG_INACTIVE;
    const int r = pw_stream_connect(made->stream_.get(),
                                    setup.input ? PW_DIRECTION_INPUT : PW_DIRECTION_OUTPUT,
                                    PW_ID_ANY, static_cast<pw_stream_flags>(flags), params, 1);
    if (r < 0)
        return fail(errno_error(-r, fmt::format("cannot connect the stream '{}'", setup.name)));
    return made;
}

// First out of the data thread, which asks nobody whether its callbacks are still there.
Stream::~Stream() {
    runs_now_ = [](bool) {};
    if (!stream_) return;
    pw_stream_disconnect(stream_.get());
    spa_hook_remove(&listener_);
}

void Stream::process() {
    pw_buffer* buffer = pw_stream_dequeue_buffer(stream_.get());
    if (buffer == nullptr) return;
    spa_data& data = buffer->buffer->datas[0];
    auto* const bytes = static_cast<std::uint8_t*>(data.data);
    if (bytes != nullptr) {
        const std::uint32_t most = data.maxsize / kStride;
        if (input_) {
            const std::uint32_t from = std::min(data.chunk->offset, data.maxsize);
            const std::uint32_t count = std::min(data.chunk->size, data.maxsize - from) / kStride;
            process_({reinterpret_cast<Frame*>(bytes + from), count});
        } else {
            const auto asked =
                static_cast<std::uint32_t>(std::min<std::uint64_t>(buffer->requested, most));
            const std::uint32_t count = asked != 0 ? asked : std::min(kQuantum, most);
            process_({reinterpret_cast<Frame*>(bytes), count});
            data.chunk->offset = 0;
            data.chunk->stride = kStride;
            data.chunk->size = count * kStride;
        }
    }
    pw_stream_queue_buffer(stream_.get(), buffer);
}

void Stream::on_process(void* data) { static_cast<Stream*>(data)->process(); }

void Stream::on_state(void* data, pw_stream_state, pw_stream_state state, const char*) {
    auto& self = *static_cast<Stream*>(data);
    const bool now = state == PW_STREAM_STATE_STREAMING;
    if (std::exchange(self.streaming_, now) != now) self.runs_now_(now);
}

}  // namespace pmos::audio
