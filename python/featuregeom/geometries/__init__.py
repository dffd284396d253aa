"""The geometries that have a name, each declared once: coordinates, numbers, other names, and where it is looked for.

The catalogue that names features, the table of known answers and the tests iterate over these records, so that a new
geometry is one record here, its coordinates in `shapes`, and its numbers in `shapes.expected`, which are its oracle.

>>> from featuregeom.geometries import geometry
>>> geometry("johnson").name(5, 2), geometry("johnson").also(5, 2)
('J(5,2)', ('T(5)', 'Petersen graph'))
"""

from featuregeom.geometries.record import Geometry
from featuregeom.geometries.records import GEOMETRIES, geometry
from featuregeom.geometries.table import TABLE, Row, row

__all__ = ["GEOMETRIES", "TABLE", "Geometry", "Row", "geometry", "row"]
__dir__ = __all__.copy
