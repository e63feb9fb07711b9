# a lane reads the old label when another has changed it
# test: test_backend does everything once
s|__syncwarp(); /\* every lane knows.*||
