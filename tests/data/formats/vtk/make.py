"""Writes the small mixed mesh of this folder with VTK's own writers: `python3 make.py FOLDER [all]`.

`mixed_*.vtu` and `mixed_*.vtk` hold one mesh in many encodings; with `all`, every combination.
"""
import itertools
import sys

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

CELLS = [  # type, points
    (vtk.VTK_TETRA, [0, 1, 2, 3]),
    (vtk.VTK_TRIANGLE, [0, 1, 2]),
    (vtk.VTK_HEXAHEDRON, [4, 5, 6, 7, 8, 9, 10, 11]),
    (vtk.VTK_LINE, [3, 8]),
    (vtk.VTK_WEDGE, [0, 1, 2, 4, 5, 6]),
    (vtk.VTK_TETRA, [1, 2, 3, 4]),
    (vtk.VTK_VERTEX, [11]),
    (vtk.VTK_QUADRATIC_TETRA, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
]


def mesh():
    grid = vtk.vtkUnstructuredGrid()
    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    for i in range(12):
        points.InsertNextPoint(i / 7, i * i / 3, -i / 11)
    grid.SetPoints(points)
    for kind, ids in CELLS:
        grid.InsertNextCell(kind, len(ids), ids)
    types = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
    for name in types:
        array = numpy_to_vtk(np.arange(12).astype(name), deep=True)
        array.SetName("p_" + name)
        grid.GetPointData().AddArray(array)
        array = numpy_to_vtk(np.arange(16).reshape(8, 2).astype(name), deep=True)
        array.SetName("c_" + name)
        array.SetComponentName(0, "first")
        grid.GetCellData().AddArray(array)
    odd = numpy_to_vtk(np.full(12, 0.5), deep=True)
    odd.SetName("a <b> & %")
    grid.GetPointData().AddArray(odd)
    vectors = numpy_to_vtk(np.arange(36.0).reshape(12, 3) / 9, deep=True)
    vectors.SetName("displacement")
    grid.GetPointData().SetVectors(vectors)
    scalars = numpy_to_vtk(np.arange(8.0), deep=True)
    scalars.SetName("scalars")
    grid.GetCellData().SetScalars(scalars)
    for data, n, start in [(grid.GetPointData(), 12, 100), (grid.GetCellData(), 8, 1000)]:
        ids = numpy_to_vtkIdTypeArray(np.arange(start, start + n), deep=True)
        ids.SetName("ids")
        data.SetGlobalIds(ids)
        words = vtk.vtkStringArray()
        words.SetName("words")
        for i in range(n):
            words.InsertNextValue("x" * i)
        data.AddArray(words)
    time = numpy_to_vtk(np.array([2.5]), deep=True)
    time.SetName("TimeValue")
    grid.GetFieldData().AddArray(time)
    return grid


def write_vtu(folder, mode, base64, packing, big, header64):
    writer = vtk.vtkXMLUnstructuredGridWriter()
    kind = {"ascii": "ascii", "binary": "inline"}.get(mode, "base64" if base64 else "raw")
    name = f"mixed_{kind}_{packing}_{'be' if big else 'le'}_{64 if header64 else 32}.vtu"
    writer.SetFileName(f"{folder}/{name}")
    writer.SetInputData(mesh())
    {"ascii": writer.SetDataModeToAscii, "binary": writer.SetDataModeToBinary}.get(mode, writer.SetDataModeToAppended)()
    writer.SetEncodeAppendedData(base64)
    writer.SetCompressorType({"none": 0, "zlib": 1, "lz4": 2, "lzma": 3}[packing])
    # Several blocks an array, the last one partly filled.
    writer.SetBlockSize(64)
    (writer.SetByteOrderToBigEndian if big else writer.SetByteOrderToLittleEndian)()
    (writer.SetHeaderTypeToUInt64 if header64 else writer.SetHeaderTypeToUInt32)()
    assert writer.Write()


def write_vtk(folder, version, binary):
    writer = vtk.vtkUnstructuredGridWriter()
    writer.SetFileName(f"{folder}/mixed_{version}_{'binary' if binary else 'ascii'}.vtk")
    writer.SetInputData(mesh())
    writer.SetFileVersion(version)
    (writer.SetFileTypeToBinary if binary else writer.SetFileTypeToASCII)()
    assert writer.Write()


folder, everything = sys.argv[1], len(sys.argv) > 2
kept = [
    ("ascii", False, "none", False, False),
    ("binary", False, "none", True, True),
    ("binary", False, "lzma", True, False),
    ("binary", False, "lz4", False, True),
    ("appended", False, "none", True, False),
    ("appended", False, "zlib", True, True),
    ("appended", True, "none", False, False),
    ("appended", True, "zlib", False, False),
]
if everything:
    kept = itertools.product(["binary", "appended"], [True, False], ["none", "zlib", "lz4", "lzma"], [True, False], [True, False])
for case in kept:
    write_vtu(folder, *case)
for version, binary in itertools.product([42, 51], [True, False]):
    write_vtk(folder, version, binary)
