//! A compiled kernel: WGSL checked and handed to the driver once per process.

use std::borrow::Cow;

use wgpu::naga;

use super::device::Device;
use super::errors;
use crate::error::Result;

/// What to compile.
#[derive(Debug, Clone)]
pub(super) struct Program<'s> {
    /// Entry point and label.
    pub name: &'s str,
    /// The whole WGSL module.
    pub source: &'s str,
    /// Values for `override` constants.
    pub constants: &'s [(&'s str, f64)],
    /// Read-only storage buffers, bindings `1..=inputs`; the output is binding `inputs + 1`.
    pub inputs: usize,
    /// Invocations per workgroup that the caller counts on.
    pub workgroup: u32,
}

/// A compiled kernel.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// Checks and compiles `program` for `device`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::error::Error::Device) when the shader is wrong or the driver refuses it;
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) when it wants more workgroup memory than there is.
    pub(super) fn compile(device: &Device, program: &Program<'_>) -> Result<Self> {
        let name = program.name;
        let doing = format!("compiling {name}");
        // wgpu does not compare workgroup memory with the limit; a driver may do anything with too much.
        let checked = errors::caught(|| check(program)).unwrap_or_else(Err);
        let shared = checked.map_err(|why| device.failed(&doing, &why))?;
        let most = u64::from(device.report().limits.max_workgroup_storage);
        if shared > most {
            return Err(errors::unavailable(
                device.id(),
                format!("{name} shares {shared} bytes in a workgroup, this device has {most}; use --backend cpu"),
            ));
        }
        device.guarded(&doing, || {
            let wgpu = device.wgpu();
            // SAFETY: every shader is part of this program and its loops count to bounds that the host chose, so none
            // is endless; every other check stays.
            let module = unsafe {
                wgpu.create_shader_module_trusted(
                    wgpu::ShaderModuleDescriptor {
                        label: Some(name),
                        source: wgpu::ShaderSource::Wgsl(Cow::Borrowed(program.source)),
                    },
                    wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() },
                )
            };
            let entry = |binding: usize, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
                binding: u32::try_from(binding).unwrap_or(u32::MAX),
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            };
            let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
            entries
                .extend((1..=program.inputs).map(|i| entry(i, wgpu::BufferBindingType::Storage { read_only: true })));
            entries.push(entry(program.inputs + 1, wgpu::BufferBindingType::Storage { read_only: false }));
            let layout = wgpu
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries });
            let pipeline_layout = wgpu.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = wgpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(name),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: program.constants,
                    ..Default::default()
                },
                cache: None,
            });
            Self { pipeline, layout }
        })
    }

    /// Binds the uniform block, the inputs and the output, each with the bytes that count.
    pub(super) fn bind(&self, device: &Device, buffers: &[(&wgpu::Buffer, u64)]) -> wgpu::BindGroup {
        let entries: Vec<_> = (0_u32..)
            .zip(buffers)
            .map(|(binding, (buffer, bytes))| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset: 0,
                    size: std::num::NonZero::new(*bytes),
                }),
            })
            .collect();
        device.wgpu().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// Parses the module and returns the bytes that a workgroup shares (arrays whose length is an `override` count as
/// none: their size is not known here).
fn check(program: &Program<'_>) -> Result<u64, String> {
    let module = naga::front::wgsl::parse_str(program.source).map_err(|error| {
        let line = error.location(program.source).map_or(String::new(), |at| format!(" in line {}", at.line_number));
        format!("the shader does not parse{line}: {}", errors::one_line(error.message()))
    })?;
    let entry = module.entry_points.iter().find(|entry| entry.name == program.name);
    let entry = entry.ok_or_else(|| format!("the shader has no entry point {}", program.name))?;
    let size: u32 = entry.workgroup_size.iter().product();
    if entry.workgroup_size_overrides.is_none() && size != program.workgroup {
        return Err(format!("the shader's workgroup has {size} invocations, the kernel says {}", program.workgroup));
    }
    let shared = module.global_variables.iter().filter(|(_, var)| var.space == naga::AddressSpace::WorkGroup);
    Ok(shared.map(|(_, var)| u64::from(module.types[var.ty].inner.try_size(module.to_ctx()).unwrap_or(u32::MAX))).sum())
}

/// Runs a compiled program once: one dispatch of `groups` workgroups over small inputs, and its output's words.
pub(super) fn run_once(
    device: &Device,
    pipeline: &Pipeline,
    doing: &str,
    uniform: &[u32],
    inputs: &[&[u8]],
    output_words: usize,
    groups: u32,
) -> Result<Vec<u32>> {
    use wgpu::BufferUsages as Usage;
    let make = |bytes: &[u8], usage: Usage| -> Result<wgpu::Buffer> {
        let size = (bytes.len() as u64).next_multiple_of(16).max(16);
        let buffer = device.buffer(doing, size, usage | Usage::COPY_DST, false)?;
        device.guarded(doing, || device.queue().write_buffer(&buffer, 0, bytes))?;
        Ok(buffer)
    };
    let uniform = make(bytemuck::cast_slice(uniform), Usage::UNIFORM)?;
    let inputs = inputs.iter().map(|bytes| make(bytes, Usage::STORAGE)).collect::<Result<Vec<_>>>()?;
    let bytes = (output_words as u64 * 4).max(16);
    let output = device.buffer(doing, bytes, Usage::STORAGE | Usage::COPY_SRC, false)?;
    let host = device.buffer(doing, bytes, Usage::MAP_READ | Usage::COPY_DST, false)?;
    let encoder = device.guarded(doing, || {
        let mut buffers = vec![(&uniform, uniform.size())];
        buffers.extend(inputs.iter().map(|buffer| (buffer, buffer.size())));
        buffers.push((&output, bytes));
        let group = pipeline.bind(device, &buffers);
        let mut encoder = device.wgpu().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(doing) });
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(doing), timestamp_writes: None });
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&output, 0, &host, 0, bytes);
        encoder
    })?;
    let submission = device.submit(doing, encoder)?;
    let mapping = device.map(doing, &host, wgpu::MapMode::Read, bytes)?;
    device.wait(doing, Some(submission))?;
    device.mapped(doing, &mapping)?;
    let words = device.guarded(doing, || {
        host.get_mapped_range(0..bytes).map(|view| bytemuck::pod_collect_to_vec::<u8, u32>(&view))
    })?;
    let mut words = words.map_err(|e| device.failed(doing, &errors::one_line(&e.to_string())))?;
    words.truncate(output_words);
    Ok(words)
}
