#include <cstddef>
#include <cstdio>
// jpeglib.h needs size_t and FILE before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "harness/model/image.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// More passes over a progressive image than any encoder writes are an attack on our time.
constexpr int kMaxScans = 500;

// libjpeg leaves through longjmp, which skips destructors. So the functions that call setjmp touch
// nothing but these plain structs, whose owners (below) do the cleaning up.
struct JpegErrors {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is one to all
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

struct JpegState {
  JpegErrors errors;
  jpeg_decompress_struct info;
  jpeg_progress_mgr progress;
};

struct JpegSink {
  JpegErrors errors;
  jpeg_compress_struct info;
  unsigned char* bytes;  // malloc's
  unsigned long size;
};

JpegErrors* errors_of(j_common_ptr info) { return reinterpret_cast<JpegErrors*>(info->err); }

void on_exit(j_common_ptr info) {
  JpegErrors* errors = errors_of(info);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

std::string text_of(const JpegErrors& errors) {
  std::string message = errors.message;
  if (!message.empty() && message.back() == '.') message.pop_back();
  return message;
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
  JpegErrors* errors = errors_of(info);
  std::strncpy(errors->message, "more than 500 progressive scans", sizeof(errors->message) - 1);
  std::longjmp(errors->jump, 1);
}

bool read_jpeg_header(JpegState* state, const uint8_t* bytes, size_t size) {
  if (setjmp(state->errors.jump) != 0) return false;
  jpeg_create_decompress(&state->info);
  state->info.progress = &state->progress;
  jpeg_mem_src(&state->info, bytes, size);
  jpeg_read_header(&state->info, TRUE);
  return true;
}

bool read_jpeg_rows(JpegState* state, uint8_t* pixels, size_t row_bytes) {
  if (setjmp(state->errors.jump) != 0) return false;
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
    state_.info.err = jpeg_std_error(&state_.errors.manager);
    state_.errors.manager.error_exit = on_exit;
    state_.errors.manager.emit_message = on_message;
    state_.progress.progress_monitor = on_progress;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&state_.info); }

  JpegState& state() { return state_; }
  void expect(bool done) const {
    if (done) return;
    throw Error(name_ + ": is not a readable JPEG image: " + text_of(state_.errors));
  }

 private:
  JpegState state_{};
  const std::string& name_;
};

// Files as Pillow writes them: libjpeg's defaults, which halve the colours' resolution.
bool write_rows(JpegSink* sink, const Image& image, int quality) {
  if (setjmp(sink->errors.jump) != 0) return false;
  jpeg_create_compress(&sink->info);
  jpeg_mem_dest(&sink->info, &sink->bytes, &sink->size);
  sink->info.image_height = static_cast<JDIMENSION>(image.height);
  sink->info.image_width = static_cast<JDIMENSION>(image.width);
  sink->info.input_components = static_cast<int>(image.channels);
  sink->info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&sink->info);
  jpeg_set_quality(&sink->info, quality, TRUE);
  jpeg_start_compress(&sink->info, TRUE);
  while (sink->info.next_scanline < sink->info.image_height) {
    // libjpeg asks for mutable rows and only reads them.
    JSAMPROW row = const_cast<JSAMPROW>(image.pixels.data()) +
                   sink->info.next_scanline * static_cast<size_t>(image.width * image.channels);
    jpeg_write_scanlines(&sink->info, &row, 1);
  }
  jpeg_finish_compress(&sink->info);
  return true;
}

class JpegWriter {
 public:
  JpegWriter() {
    sink_.info.err = jpeg_std_error(&sink_.errors.manager);
    sink_.errors.manager.error_exit = on_exit;
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() {
    jpeg_destroy_compress(&sink_.info);
    std::free(sink_.bytes);
  }

  std::vector<uint8_t> write(const Image& image, int quality) {
    ASSAY_CHECK(write_rows(&sink_, image, quality), "libjpeg: " + text_of(sink_.errors));
    return {sink_.bytes, sink_.bytes + sink_.size};
  }

 private:
  JpegSink sink_{};
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
  reader.expect(read_jpeg_header(&state, bytes.data(), bytes.size()));
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
  reader.expect(read_jpeg_rows(&state, image.pixels.data(), row_bytes));
  if (components == 4) {
    image.pixels = from_inverted_cmyk(image.pixels);
    image.channels = 3;
  }
  return image;
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  ASSAY_CHECK(image.channels == 1 || image.channels == 3, "JPEG is written in grey or RGB");
  return JpegWriter().write(image, quality);
}

}  // namespace assay
