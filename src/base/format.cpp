// base: libfmt's own functions, compiled once into our archive: Debian has them as a shared library
// only, and that brings libstdc++ and libm into every process. Never used by the code after clone3.
#define FMT_HEADER_ONLY
// Nothing here writes as a locale has it, and libstdc++'s locales are a tenth of a static program.
#define FMT_STATIC_THOUSANDS_SEPARATOR ','
#include <fmt/format.h>

namespace pmos {

// An inline function is emitted where its address is taken. What is missing here fails the link.
[[gnu::used]] static const struct {
    std::string (*format)(fmt::string_view, fmt::format_args) = &fmt::vformat;
    void (*print)(fmt::string_view, fmt::format_args) = &fmt::vprint;
    void (*print_to)(std::FILE*, fmt::string_view, fmt::format_args) = &fmt::vprint;
    void (*fail)(const char*) = &fmt::detail::throw_format_error;
    void (*fail_assertion)(const char*, int, const char*) = &fmt::detail::assert_fail;
    fmt::detail::thousands_sep_result<char> (*thousands)(fmt::detail::locale_ref) =
        &fmt::detail::thousands_sep_impl<char>;
    char (*point)(fmt::detail::locale_ref) = &fmt::detail::decimal_point_impl<char>;
    bool (*is_printable)(std::uint32_t) = &fmt::detail::is_printable;
} kEmitted;

}  // namespace pmos
