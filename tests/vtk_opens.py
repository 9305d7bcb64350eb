"""Opens a .vtu file with VTK and prints what it holds as one JSON line: `python3 vtk_opens.py FILE`.

Exits 77 when this Python has no VTK.
"""
import json
import sys

try:
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy
except ImportError:
    sys.exit(77)


def arrays(data):
    found = {}
    for i in range(data.GetNumberOfArrays()):
        array = data.GetArray(i)
        n = array.GetNumberOfComponents()
        found[array.GetName()] = {
            "type": array.GetDataTypeAsString(),
            "components": n,
            "component_names": [array.GetComponentName(c) for c in range(n)],
            "tuples": array.GetNumberOfTuples(),
            "sum": float(vtk_to_numpy(array).sum(dtype="f8")),
        }
    return found


failures = []
reader = vtk.vtkXMLUnstructuredGridReader()
for event in ("ErrorEvent", "WarningEvent"):
    reader.AddObserver(event, lambda *_: failures.append("reader"))
reader.SetFileName(sys.argv[1])
reader.Update()
grid = reader.GetOutput()
ids = vtk.vtkIdList()
connectivity, types = [], []
for cell in range(grid.GetNumberOfCells()):
    grid.GetCellPoints(cell, ids)
    connectivity.append([ids.GetId(i) for i in range(ids.GetNumberOfIds())])
    types.append(grid.GetCellType(cell))
print(
    json.dumps(
        {
            "failures": failures,
            "points": grid.GetNumberOfPoints(),
            "coordinates": float(vtk_to_numpy(grid.GetPoints().GetData()).sum()),
            "types": types,
            "connectivity": connectivity,
            "point_data": arrays(grid.GetPointData()),
            "cell_data": arrays(grid.GetCellData()),
            "point_ids": getattr(grid.GetPointData().GetGlobalIds(), "GetName", lambda: None)(),
            "cell_ids": getattr(grid.GetCellData().GetGlobalIds(), "GetName", lambda: None)(),
        }
    )
)
