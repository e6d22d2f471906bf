#include <cstddef>
#include <cstdio>
// jpeglib.h needs size_t and FILE before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "harness/model/image.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// More passes over a progressive image than any encoder writes are an attack on our time.
constexpr int kMaxScans = 500;

// libjpeg leaves through longjmp, which skips destructors. So the functions that call setjmp touch
// nothing but this plain struct, whose owner (below) does the cleaning up.
struct JpegState {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

JpegState* state_of(j_common_ptr info) { return static_cast<JpegState*>(info->client_data); }

void on_exit(j_common_ptr info) {
  JpegState* state = state_of(info);
  info->err->format_message(info, state->message);
  std::longjmp(state->jump, 1);
}

// Warnings that mean lost pixels are errors; stray bytes between markers are common and harmless.
void on_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 &&
      (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE)) {
    on_exit(info);
  }
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  JpegState* state = state_of(info);
  std::strncpy(state->message, "more than 500 progressive scans", sizeof(state->message) - 1);
  std::longjmp(state->jump, 1);
}

bool read_header(JpegState* state, const uint8_t* bytes, size_t size) {
  if (setjmp(state->jump) != 0) return false;
  jpeg_create_decompress(&state->info);
  state->info.client_data = state;
  state->info.progress = &state->progress;
  jpeg_mem_src(&state->info, bytes, size);
  jpeg_read_header(&state->info, TRUE);
  return true;
}

bool read_rows(JpegState* state, uint8_t* pixels, size_t row_bytes) {
  if (setjmp(state->jump) != 0) return false;
  jpeg_start_decompress(&state->info);
  while (state->info.output_scanline < state->info.output_height) {
    JSAMPROW row = pixels + state->info.output_scanline * row_bytes;
    jpeg_read_scanlines(&state->info, &row, 1);
  }
  jpeg_finish_decompress(&state->info);
  return true;
}

class JpegReader {
 public:
  explicit JpegReader(const std::string& name) : name_(name) {
    state_.info.err = jpeg_std_error(&state_.errors);
    state_.errors.error_exit = on_exit;
    state_.errors.emit_message = on_message;
    state_.progress.progress_monitor = on_progress;
    state_.info.client_data = &state_;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&state_.info); }

  JpegState& state() { return state_; }
  void expect(bool done) const {
    if (done) return;
    std::string message = state_.message;
    if (!message.empty() && message.back() == '.') message.pop_back();
    throw Error(name_ + ": is not a readable JPEG image: " + message);
  }

 private:
  JpegState state_{};
  const std::string& name_;
};

// Pillow takes CMYK as Adobe writes it, inverted, and multiplies by what black leaves.
std::vector<uint8_t> from_inverted_cmyk(const std::vector<uint8_t>& pixels) {
  std::vector<uint8_t> rgb(pixels.size() / 4 * 3);
  for (size_t i = 0; i < pixels.size() / 4; ++i) {
    const int left = pixels[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int product = (255 - pixels[4 * i + c]) * left + 128;
      rgb[3 * i + c] =
          static_cast<uint8_t>(std::clamp(left - (((product >> 8) + product) >> 8), 0, 255));
    }
  }
  return rgb;
}

}  // namespace

Image decode_jpeg(std::span<const uint8_t> bytes, const std::string& name) {
  JpegReader reader(name);
  JpegState& state = reader.state();
  reader.expect(read_header(&state, bytes.data(), bytes.size()));
  check_image_size(state.info.image_height, state.info.image_width, name);
  const int components = state.info.num_components;
  switch (components) {
    case 1:
      state.info.out_color_space = JCS_GRAYSCALE;
      break;
    case 3:
      state.info.out_color_space = JCS_RGB;
      break;
    case 4:
      state.info.out_color_space = JCS_CMYK;
      break;
    default:
      throw Error(name + ": JPEG with " + std::to_string(components) +
                  " components; expected 1 (grey), 3 (colour) or 4 (CMYK)");
  }
  Image image;
  image.height = state.info.image_height;
  image.width = state.info.image_width;
  image.channels = components;
  const size_t row_bytes = static_cast<size_t>(image.width * components);
  image.pixels.resize(row_bytes * static_cast<size_t>(image.height));
  reader.expect(read_rows(&state, image.pixels.data(), row_bytes));
  if (components == 4) {
    image.pixels = from_inverted_cmyk(image.pixels);
    image.channels = 3;
  }
  return image;
}

}  // namespace assay
