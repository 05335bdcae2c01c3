"""unpack.py cpu|cuda WHEELS OUT: unpacks what `ci/setup` needs of the wheels in folder WHEELS into OUT, laid out as site-packages.

zipfile checks each member's CRC while it is read; each size is checked against the archive's own record besides.
"""

import os
import re
import shutil
import sys
import zipfile

LICENCES = r".*\.dist-info/(licenses/.*|LICEN[CS]E.*|NOTICE.*|License.*)"
NEEDED = {
    "cpu": r"torch/include/.*|torch/lib/(libtorch_cpu|libc10|libgomp|libomp|libtorch\.dylib|libshm\.dylib).*"
    r"|torch/\.dylibs/.*|torch\.libs/.*|nvidia/.*/lib/lib(cudart|cupti)\.so.*",
    # libtorch.so itself only ties the parts together; libtorch_python needs a Python.
    "cuda": r"torch/include/.*|torch/lib/(?!libtorch\.so|libtorch_python|libtorch_global_deps|libshm)[^/]*\.so.*"
    r"|torch\.libs/.*|nvidia/.*/lib/[^/]*\.so.*",
}


def main(variant, wheels, out):
    needed = re.compile(f"{NEEDED[variant]}|{LICENCES}")
    for name in sorted(os.listdir(wheels)):
        with zipfile.ZipFile(os.path.join(wheels, name)) as wheel:
            members = [m for m in wheel.infolist() if not m.is_dir() and needed.fullmatch(m.filename)]
            total = 0
            for member in members:
                target = os.path.join(out, *member.filename.split("/"))
                if os.path.commonpath([os.path.abspath(out), os.path.abspath(target)]) != os.path.abspath(out):
                    sys.exit(f"setup: error: {name} names a file outside its folder: {member.filename}")
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with wheel.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                if os.path.getsize(target) != member.file_size:
                    sys.exit(f"setup: error: {target} has {os.path.getsize(target)} bytes, {member.file_size} expected")
                total += member.file_size
            print(f"setup:   {name}: {len(members)} files, {total / 1e6:.0f} MB", flush=True)


main(*sys.argv[1:])
