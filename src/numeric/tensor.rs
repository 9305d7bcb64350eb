//! Small symmetric tensors in the order xx, yy, zz, xy, xz, yz, and elastic stiffness along the global axes.

use crate::formats::mesh::{Elastic, Material};

/// A symmetric tensor: xx, yy, zz, xy, xz, yz. Strains are tensor components, not engineering shears.
pub type Tensor = [f64; 6];

/// sqrt(((xx-yy)^2 + (yy-zz)^2 + (zz-xx)^2) / 2 + 3 (xy^2 + xz^2 + yz^2)); NaN when a component is.
#[must_use]
pub fn mises(s: &Tensor) -> f64 {
    let [a, b, c] = [s[0] - s[1], s[1] - s[2], s[2] - s[0]];
    (0.5 * (a * a + b * b + c * c) + 3.0 * (s[3] * s[3] + s[4] * s[4] + s[5] * s[5])).sqrt()
}

/// Stiffness and thermal expansion with the global axes as material axes: what a kernel needs of a material.
///
/// sigma_ii = sum_j normal_ij e_jj, sigma_ij = 2 G_ij e_ij, e = strain - alpha (T - T0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stiffness {
    /// C11, C22, C33, C12, C13, C23: direct stress from direct strain.
    pub normal: [f64; 6],
    /// 2 G12, 2 G13, 2 G23: shear stress from the tensor shear strain.
    pub shear: [f64; 3],
    /// Thermal expansion along x, y, z.
    pub alpha: [f64; 3],
    /// Temperature without thermal strain.
    pub reference_temperature: f64,
    /// Young's modulus for trusses: E, or E1 of an orthotropic material.
    pub young: f64,
}

impl Stiffness {
    /// The stiffness of `material`.
    ///
    /// # Errors
    /// A sentence that names the constant when the material is not finite and positive definite (isotropic: E > 0,
    /// -1 < nu < 1/2).
    pub fn new(material: &Material) -> Result<Self, String> {
        let (normal, shear, young) = match material.elastic {
            Elastic::Isotropic { young, poisson } => {
                if !(young.is_finite() && young > 0.0) {
                    return Err(format!("Young's modulus is {young}; it must be above 0"));
                }
                if !(poisson > -1.0 && poisson < 0.5) {
                    return Err(format!("Poisson's ratio is {poisson}; it must lie between -1 and 0.5"));
                }
                let two_mu = young / (1.0 + poisson);
                let lambda = two_mu * poisson / (1.0 - 2.0 * poisson);
                let direct = lambda + two_mu;
                ([direct, direct, direct, lambda, lambda, lambda], [two_mu; 3], young)
            }
            Elastic::Orthotropic { young, poisson, shear } => {
                (orthotropic(young, poisson)?, positive("shear modulus", shear)?.map(|g| 2.0 * g), young[0])
            }
        };
        let finite = normal.iter().chain(&shear).chain(&material.alpha).all(|x| x.is_finite());
        if !finite || !material.reference_temperature.is_finite() {
            return Err("its constants overflow or are not finite".into());
        }
        Ok(Self { normal, shear, alpha: material.alpha, reference_temperature: material.reference_temperature, young })
    }

    /// Whether temperature matters.
    #[must_use]
    pub fn expands(&self) -> bool {
        self.alpha != [0.0; 3]
    }

    /// C : strain for an elastic strain (thermal strain already taken away).
    #[must_use]
    pub fn stress(&self, e: &Tensor) -> Tensor {
        let [c11, c22, c33, c12, c13, c23] = self.normal;
        [
            c11 * e[0] + c12 * e[1] + c13 * e[2],
            c12 * e[0] + c22 * e[1] + c23 * e[2],
            c13 * e[0] + c23 * e[1] + c33 * e[2],
            self.shear[0] * e[3],
            self.shear[1] * e[4],
            self.shear[2] * e[5],
        ]
    }

    /// `K_ik = sum_jl C_ijkl r_j s_l`: the stress power of the gradients `a (x) r` and `b (x) s` is `a . K b`.
    #[must_use]
    pub fn contract(&self, r: [f64; 3], s: [f64; 3]) -> [[f64; 3]; 3] {
        let [c11, c22, c33, c12, c13, c23] = self.normal;
        let normal = [[c11, c12, c13], [c12, c22, c23], [c13, c23, c33]];
        let [g12, g13, g23] = self.shear.map(|g| 0.5 * g);
        let shear = [[0.0, g12, g13], [g12, 0.0, g23], [g13, g23, 0.0]];
        std::array::from_fn(|i| {
            std::array::from_fn(|k| {
                let direct = normal[i][k] * r[i] * s[k];
                if i == k {
                    direct + (0..3).map(|j| shear[i][j] * r[j] * s[j]).sum::<f64>()
                } else {
                    direct + shear[i][k] * r[k] * s[i]
                }
            })
        })
    }
}

fn positive(what: &str, values: [f64; 3]) -> Result<[f64; 3], String> {
    match values.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
        Some(bad) => Err(format!("a {what} is {bad}; it must be above 0")),
        None => Ok(values),
    }
}

/// The inverse of the compliance [[1/E1, -nu12/E1, -nu13/E1], [., 1/E2, -nu23/E2], [., ., 1/E3]].
fn orthotropic(young: [f64; 3], poisson: [f64; 3]) -> Result<[f64; 6], String> {
    let [e1, e2, e3] = positive("Young's modulus", young)?;
    let [nu12, nu13, nu23] = poisson;
    let (nu21, nu31, nu32) = (nu12 * e2 / e1, nu13 * e3 / e1, nu23 * e3 / e2);
    let rest = 1.0 - nu12 * nu21 - nu23 * nu32 - nu13 * nu31 - 2.0 * nu21 * nu32 * nu13;
    let minors = [1.0 - nu12 * nu21, 1.0 - nu13 * nu31, 1.0 - nu23 * nu32];
    if !(rest > 0.0 && minors.iter().all(|m| *m > 0.0)) {
        return Err(format!("Poisson's ratios {poisson:?} do not fit the moduli: the material is not stable"));
    }
    Ok([
        e1 * minors[2] / rest,
        e2 * minors[1] / rest,
        e3 * minors[0] / rest,
        e1 * (nu21 + nu31 * nu23) / rest,
        e1 * (nu31 + nu21 * nu32) / rest,
        e2 * (nu32 + nu12 * nu31) / rest,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material(elastic: Elastic) -> Material {
        Material { name: "M".into(), elastic, alpha: [0.0; 3], reference_temperature: 0.0 }
    }

    #[test]
    fn uniaxial_and_pure_shear() {
        assert_eq!(mises(&[-5.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 5.0);
        assert!((mises(&[0.0, 0.0, 0.0, 2.0, 0.0, 0.0]) - 12.0_f64.sqrt()).abs() < 1e-15);
        assert!(mises(&[f64::NAN, 0.0, 0.0, 0.0, 0.0, 0.0]).is_nan());
    }

    #[test]
    fn orthotropic_constants_of_an_isotropic_material_agree() {
        let (e, nu) = (210.0, 0.3);
        let g = e / (2.0 * (1.0 + nu));
        let iso = Stiffness::new(&material(Elastic::Isotropic { young: e, poisson: nu })).unwrap();
        let ortho =
            Stiffness::new(&material(Elastic::Orthotropic { young: [e; 3], poisson: [nu; 3], shear: [g; 3] })).unwrap();
        for (a, b) in iso.normal.iter().chain(&iso.shear).zip(ortho.normal.iter().chain(&ortho.shear)) {
            assert!((a - b).abs() < 1e-12 * e, "{a} {b}");
        }
    }

    #[test]
    fn orthotropic_stiffness_inverts_the_compliance() {
        let (young, poisson) = ([140.0, 10.0, 8.0], [0.3, 0.25, 0.4]);
        let c = orthotropic(young, poisson).unwrap();
        let full = [[c[0], c[3], c[4]], [c[3], c[1], c[5]], [c[4], c[5], c[2]]];
        let s12 = -poisson[0] / young[0];
        let s13 = -poisson[1] / young[0];
        let s23 = -poisson[2] / young[1];
        let compliance = [[1.0 / young[0], s12, s13], [s12, 1.0 / young[1], s23], [s13, s23, 1.0 / young[2]]];
        for (i, row) in full.iter().enumerate() {
            for j in 0..3 {
                let product: f64 = row.iter().zip(&compliance).map(|(c, s)| c * s[j]).sum();
                assert!((product - if i == j { 1.0 } else { 0.0 }).abs() < 1e-14, "{i}{j} {product}");
            }
        }
    }

    #[test]
    fn contraction_is_the_stress_power() {
        let m = material(Elastic::Orthotropic {
            young: [140.0, 10.0, 8.0],
            poisson: [0.3, 0.25, 0.4],
            shear: [5.0, 4.0, 3.0],
        });
        let c = Stiffness::new(&m).unwrap();
        let (a, r, b, s) = ([1.0, -2.0, 0.5], [0.3, 0.7, -1.1], [0.2, 0.9, 1.7], [-0.6, 0.4, 0.8]);
        let sym = |a: [f64; 3], r: [f64; 3]| {
            let half = |i: usize, j: usize| 0.5 * (a[i] * r[j] + a[j] * r[i]);
            [half(0, 0), half(1, 1), half(2, 2), half(0, 1), half(0, 2), half(1, 2)]
        };
        let (left, stress) = (sym(a, r), c.stress(&sym(b, s)));
        let power: f64 = (0..3).map(|i| left[i] * stress[i] + 2.0 * left[i + 3] * stress[i + 3]).sum();
        let k = c.contract(r, s);
        let contracted: f64 = (0..3).flat_map(|i| (0..3).map(move |j| a[i] * k[i][j] * b[j])).sum();
        assert!((power - contracted).abs() < 1e-12 * power.abs());
    }

    #[test]
    fn impossible_materials_are_refused() {
        for (young, poisson) in [(0.0, 0.3), (-1.0, 0.3), (f64::NAN, 0.3), (1.0, 0.5), (1.0, -1.0), (1.0, f64::NAN)] {
            assert!(Stiffness::new(&material(Elastic::Isotropic { young, poisson })).is_err(), "{young} {poisson}");
        }
        let unstable = Elastic::Orthotropic { young: [1.0; 3], poisson: [0.9; 3], shear: [1.0; 3] };
        assert!(Stiffness::new(&material(unstable)).is_err());
    }
}
