#!/usr/bin/env -S node --
// The dashes keep Node from taking our flags for its own: it looks for --env-file behind the script's name as well.
import "../dist/main.js";
